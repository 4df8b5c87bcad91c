"""Short names for pod templates: the same template always gets the same one.

The alphabet and the shape (FNV-1a over the template and a collision count, in letters that spell no words) are
upstream's; the hashed bytes are canonical JSON rather than a dump of Go structs, so the letters differ.
"""

from __future__ import annotations

import json
from typing import Any

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def fnv32a(data: bytes) -> int:
    """The 32-bit Fowler-Noll-Vo hash, variant 1a."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Characters of a name that spell nothing: upstream's ``rand.SafeEncodeString``."""
    return "".join(_ALPHABET[ord(character) % len(_ALPHABET)] for character in text)


def object_hash(content: Any, collisions: int | None = None) -> str:
    """The hash part of a name for ``content`` (a pod template, a ControllerRevision's data)."""
    data = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    if collisions is not None:
        data += collisions.to_bytes(4, "little")
    return safe_encode(str(fnv32a(data)))
