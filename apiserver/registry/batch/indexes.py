"""Lists of completion indexes as Jobs write them: ``1,3-5,7``."""

from __future__ import annotations


class IndexesError(ValueError):
    """A text is no such list; says why."""


def intervals(text: str, completions: int) -> list[tuple[int, int]]:
    """First and last index of each part. Raises IndexesError."""
    found: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        low, high = _interval(part, completions)
        if found and found[-1][1] >= low:
            raise IndexesError(f"non-increasing order, previous: {found[-1][1]}, current: {low}")
        found.append((low, high))
    return found


def count_indexes(text: str, completions: int) -> int:
    """How many indexes a list names. Raises IndexesError."""
    return sum(high - low + 1 for low, high in intervals(text, completions))


def overlap(one: str, other: str, completions: int) -> int | None:
    """The first index in both lists; None where they have none in common or cannot be read."""
    try:
        pairs = [(a, b) for a in intervals(one, completions) for b in intervals(other, completions)]
    except IndexesError:
        return None
    return next((max(a[0], b[0]) for a, b in pairs if a[0] <= b[1] and b[0] <= a[1]), None)


def _interval(part: str, completions: int) -> tuple[int, int]:
    limits = part.split("-")
    if len(limits) > 2:
        raise IndexesError(
            f'the fragment "{part}" violates the requirement that an index interval can have at most two parts '
            "separated by '-'"
        )
    numbers = [_index(limit, completions) for limit in limits]
    if len(numbers) == 2 and numbers[0] >= numbers[1]:
        raise IndexesError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise IndexesError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise IndexesError(f'too large index: "{text}"')
    return int(text)
