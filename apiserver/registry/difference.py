"""How two versions of something differ, for messages that refuse a change."""

from __future__ import annotations

import difflib
from typing import Any

import orjson


def difference(before: Any, after: Any) -> str:
    """A unified diff of both as JSON, without its file header."""
    texts = [
        orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode().splitlines(keepends=True)
        for value in (before, after)
    ]
    return "".join(list(difflib.unified_diff(texts[0], texts[1]))[2:])
