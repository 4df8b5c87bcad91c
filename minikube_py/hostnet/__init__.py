"""Sockets of the host's network namespace, handed to parts that live in another one."""
