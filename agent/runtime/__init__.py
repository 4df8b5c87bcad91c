"""The Runtime protocol and its implementations."""
