"""Namespaces: what every one of them gets, and how one is emptied."""
