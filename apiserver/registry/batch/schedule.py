"""Whether a text is a Cron schedule, in the dialect Kubernetes reads (robfig/cron v3, standard parser)."""

from __future__ import annotations

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_Names = dict[str, int]
_FIELDS: tuple[tuple[int, int, _Names], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
_DESCRIPTORS = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_every_match = re.compile(r"@every ([+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+").fullmatch


class ScheduleError(ValueError):
    """A text is no schedule; says why."""


def check_schedule(schedule: str) -> None:
    """Raises ScheduleError for what is no schedule."""
    text = schedule
    if text.startswith(("TZ=", "CRON_TZ=")):
        text = text.partition(" ")[2].strip()
    if text.startswith("@"):
        if text not in _DESCRIPTORS and not _every_match(text):
            raise ScheduleError(f"unrecognized descriptor: {text}")
        return
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    for field, (low, high, names) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            _check_part(part, low, high, names)


def _check_part(part: str, low: int, high: int, names: _Names) -> None:
    spread, slash, step = part.partition("/")
    if "/" in step:
        raise ScheduleError(f"too many slashes: {part}")
    ends = spread.split("-")
    if len(ends) > 2:
        raise ScheduleError(f"too many hyphens: {part}")
    if spread in ("*", "?"):
        start, end = low, high
    else:
        start = _number(ends[0], names)
        end = _number(ends[1], names) if len(ends) == 2 else high if slash else start
    if slash and _number(step, {}) == 0:
        raise ScheduleError(f"step of range should be a positive number: {part}")
    if start < low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({low}): {part}")
    if end > high:
        raise ScheduleError(f"end of range ({end}) above maximum ({high}): {part}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {part}")


def _number(text: str, names: _Names) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if text.startswith("-"):
        raise ScheduleError(f"negative number ({text}) not allowed: {text}")
    if not (text.isascii() and text.isdigit()):
        raise ScheduleError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)
