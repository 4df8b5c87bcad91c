"""The kubelet's HTTPS endpoint: logs, exec, attach, port-forward, stats and debug tables."""
