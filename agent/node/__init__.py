"""The Node object: registration, lease heartbeat, conditions."""
