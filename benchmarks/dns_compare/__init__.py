"""Our name server and C ones with the same data, each started alone on one core."""
