"""One node: pods, Service proxy, cluster DNS and the kubelet's HTTPS endpoint."""
