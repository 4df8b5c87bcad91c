"""Migrations of what is stored to another version."""
