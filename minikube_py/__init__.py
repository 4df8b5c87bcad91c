"""minik: a Kubernetes cluster in Python. This package holds what a user touches and what all parts share."""
