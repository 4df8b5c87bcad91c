"""Flow control: which requests share which seats."""
