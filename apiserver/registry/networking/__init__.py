"""Strategies of the networking group."""
