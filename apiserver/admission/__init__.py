"""Admission: rules over whole requests, between authorization and validation (upstream's admission plugins)."""
