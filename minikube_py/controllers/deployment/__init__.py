"""Deployments: roll from one ReplicaSet to the next."""
