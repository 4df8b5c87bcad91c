"""The way that a connection to a Service would take now, with the reason at each step."""
