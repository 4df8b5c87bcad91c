"""A container's environment: what its pod declares, what the cluster adds. Pure: objects are looked up beforehand."""
