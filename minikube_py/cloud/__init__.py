"""The cloud around the cluster: gives LoadBalancer Services an address and carries their traffic to the nodes."""
