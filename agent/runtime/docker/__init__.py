"""Pods as containers of a Docker engine: a sandbox from a pause image built in code, app containers inside it.

The engine's own API is spoken asynchronously over its Unix socket (``engine``): calls can be cancelled, followed
streams cost no thread, and importing costs nothing. Everything this runtime makes carries labels (``labels``), so that
whatever crashes, all of it can be found again.
"""
