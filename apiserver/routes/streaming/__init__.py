"""Requests that end elsewhere: logs, exec, attach and port-forward at a node's agent, proxies at pods and Services."""
