"""The embedded runtime: containers are forked by the node's own *machine* process, without Docker and without root.

``machine`` is the fork server (standard library only: it stays small); ``runtime`` is the agent's side, which speaks to
it over a Unix socket. ``wire`` and ``model`` are what both know.
"""
