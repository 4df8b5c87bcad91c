"""Strategies of the storage group."""
