"""Cluster DNS on this node: a pure zone, the wire format, the server."""
