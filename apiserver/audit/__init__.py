"""The audit log: who asked for what, when, and what became of it (``audit.k8s.io/v1``)."""
