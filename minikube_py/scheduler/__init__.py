"""Places pods on nodes: pure filters and scores, a thin binding loop."""
