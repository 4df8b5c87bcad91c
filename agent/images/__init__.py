"""Images without a registry: two that are built in, and root file systems loaded from archives."""
