"""Wires a pod's network namespace to its node; works on namespace descriptors only."""
