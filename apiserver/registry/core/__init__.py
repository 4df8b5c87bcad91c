"""Strategies of the core group ("" in discovery), a folder per kind."""
