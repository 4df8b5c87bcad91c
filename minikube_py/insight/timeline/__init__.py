"""What happened after a write: who reacted to what, and when."""
