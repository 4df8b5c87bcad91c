"""The routing table: what Kubernetes promises of Services, as pure data that any data plane can carry out."""
