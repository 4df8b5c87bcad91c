"""Whom a certificate names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """A client's user (common name) and groups (organisations), and the names under which a server is reached."""

    common_name: str
    organizations: tuple[str, ...] = ()
    server_names: tuple[str, ...] = ()
    server_addresses: tuple[str, ...] = ()
