"""Services: addresses and ports are allocated here, in memory, and recorded when a write is committed."""
