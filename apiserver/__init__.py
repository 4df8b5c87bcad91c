"""The Kubernetes API server: objects in memory, served as upstream serves them."""
