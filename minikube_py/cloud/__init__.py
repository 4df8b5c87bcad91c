"""The cloud provider: load-balancer addresses and the balancer's own data path."""
