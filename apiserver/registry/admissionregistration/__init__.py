"""Webhooks and policies that have a say in writes."""
