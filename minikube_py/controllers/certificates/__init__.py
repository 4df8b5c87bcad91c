"""Certificates for who asks: approving nodes' requests, signing what is approved, forgetting what is settled."""
