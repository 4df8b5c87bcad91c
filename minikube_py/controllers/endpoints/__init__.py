"""Endpoints: the older list of a Service's pods, kept for those who still read it."""
