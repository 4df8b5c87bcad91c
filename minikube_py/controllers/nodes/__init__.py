"""Nodes that stop answering: noticed, tainted, their pods marked unready and in the end evicted."""
