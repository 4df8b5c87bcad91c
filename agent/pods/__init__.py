"""The pod worker: desired pod and observed containers in, actions and status out."""
