"""PEM blocks (RFC 7468) as Go's ``encoding/pem`` finds them: what stands between them is skipped."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

_BLOCK = re.compile(
    r"^-----BEGIN ([^-\n]*)-----[ \t]*\r?\n((?:[^\n]*:[^\n]*\n)*)\s*([A-Za-z0-9+/=\s]*?)-----END \1-----[ \t]*\r?$",
    re.MULTILINE,
)


class Block(NamedTuple):
    """One block: its label, whether it has headers, what it holds."""

    label: str
    has_headers: bool
    content: bytes


def blocks(text: str) -> Iterator[Block]:
    """Every block whose content is base64, in order."""
    for match in _BLOCK.finditer(text):
        try:
            content = base64.b64decode("".join(match[3].split()), validate=True)
        except binascii.Error:
            continue
        yield Block(match[1], bool(match[2].strip()), content)


def encode(label: str, content: bytes) -> str:
    """One block, in lines of 64 characters."""
    text = base64.b64encode(content).decode()
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
