"""Data planes: routes in, traffic carried. Used by the Service proxy of every node and by the cloud's balancer."""
