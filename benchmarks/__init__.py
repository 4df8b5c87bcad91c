"""Reproducible measurements. Each module is a command that prints its figures: ``python -m benchmarks.cluster``."""
