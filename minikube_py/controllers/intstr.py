"""Numbers that may be percentages: ``maxSurge: 25%``, ``minAvailable: 2``."""

from __future__ import annotations


def scaled(value: int | str | None, total: int, *, round_up: bool) -> int:
    """The number itself, or the percentage of ``total``. Raises ValueError for other texts. None is 0."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError(f"invalid value for IntOrString: invalid type: string is not a percentage: {value!r}")
    percent = int(value[:-1])
    return -(-percent * total // 100) if round_up else percent * total // 100
