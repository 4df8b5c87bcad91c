"""Container logs: the CRI format (pure), reading from the end, following through rotation."""
