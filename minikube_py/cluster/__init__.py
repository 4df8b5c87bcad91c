"""Brings a cluster up and down: certificates, kubeconfig, namespaces, processes."""
