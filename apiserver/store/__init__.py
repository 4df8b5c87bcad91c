"""The revisioned store and its history: pure and synchronous."""
