"""Subresources whose body is another kind than their object's: one module each."""
