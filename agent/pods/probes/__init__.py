"""Startup, readiness and liveness probes: when to ask, what to ask, and what the answers mean."""
