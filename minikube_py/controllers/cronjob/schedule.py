"""Cron schedules: parsing, and the next time after a moment. Pure.

The language is that of github.com/robfig/cron/v3's standard parser, which upstream uses: five fields, ranges, steps,
lists, names of months and days, ``?``, the ``@hourly`` family and ``@every``. Local times that a daylight-saving change
skips do not happen; those it repeats happen once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
#: A schedule that does not happen within this many years never happens (30 February).
_HORIZON_YEARS = 5


@dataclass(frozen=True, slots=True)
class _Field:
    """The values a field allows; ``star`` means it does not restrict."""

    values: frozenset[int]
    star: bool


@dataclass(frozen=True, slots=True)
class Every:
    """``@every 1h30m``: a fixed distance, counted from wherever one starts."""

    seconds: float

    def next_after(self, moment: datetime) -> datetime | None:
        """The moment this much later, on a whole second."""
        return (moment + timedelta(seconds=self.seconds)).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed schedule in a time zone."""

    minutes: _Field
    hours: _Field
    days: _Field
    months: _Field
    weekdays: _Field
    zone: tzinfo = UTC

    def next_after(self, moment: datetime) -> datetime | None:
        """The first matching minute after ``moment``, in UTC; None where there is none for years."""
        local = moment.astimezone(self.zone).replace(second=0, microsecond=0, tzinfo=None) + timedelta(minutes=1)
        limit = local.year + _HORIZON_YEARS
        while local.year <= limit:
            local, again = self._step(local)
            if again:
                continue
            found = self._existing(local)
            if found is not None and found > moment:
                return found
            local += timedelta(minutes=1)
        return None

    def _step(self, local: datetime) -> tuple[datetime, bool]:
        """The same moment where it matches; else the start of the next month, day, hour or minute, and True."""
        midnight = local.replace(hour=0, minute=0)
        if local.month not in self.months.values:
            return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1), True
        if not self._day_matches(local):
            return midnight + timedelta(days=1), True
        if local.hour not in self.hours.values:
            return local.replace(minute=0) + timedelta(hours=1), True
        if local.minute not in self.minutes.values:
            return local + timedelta(minutes=1), True
        return local, False

    def _day_matches(self, local: datetime) -> bool:
        """Day of month and day of week restrict together only where one of them is a star; else either is enough."""
        day = local.day in self.days.values
        weekday = (local.weekday() + 1) % 7 in self.weekdays.values
        return day and weekday if self.days.star or self.weekdays.star else day or weekday

    def _existing(self, local: datetime) -> datetime | None:
        """The instant of a local time; None where the clocks skip it."""
        instant = local.replace(tzinfo=self.zone).astimezone(UTC)
        return instant if instant.astimezone(self.zone).replace(tzinfo=None) == local else None


Schedule = Cron | Every


def parse_schedule(text: str, zone_name: str | None = None) -> Schedule:
    """A schedule as a CronJob writes it. Raises ValueError for what is no schedule and for an unknown zone."""
    if text.startswith(("TZ=", "CRON_TZ=")):
        prefix, _, text = text.partition(" ")
        zone_name = zone_name or prefix.partition("=")[2]
    text = text.strip()
    if text.startswith("@every "):
        return Every(_duration(text.removeprefix("@every ")))
    fields = _MACROS.get(text, text).split()
    if len(fields) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: {fields}")
    return Cron(
        minutes=_field(fields[0], 0, 59),
        hours=_field(fields[1], 0, 23),
        days=_field(fields[2], 1, 31),
        months=_field(fields[3], 1, 12, _MONTHS),
        weekdays=_field(fields[4], 0, 6, _DAYS),
        zone=zone_of(zone_name),
    )


def zone_of(name: str | None) -> tzinfo:
    """The time zone of this name, UTC for none. Raises ValueError for an unknown one."""
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name}") from None


def _duration(text: str) -> float:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"failed to parse duration @every {text}")
    return max(sum(float(number) * _UNITS[unit] for number, unit in parts), 1.0)


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> _Field:
    values: set[int] = set()
    star = False
    for part in text.split(","):
        first, last, step, open_ended = _range(part, low, high, names or {})
        star = star or (open_ended and step == 1)
        values.update(range(first, last + 1, step))
    return _Field(frozenset(values), star)


def _range(part: str, low: int, high: int, names: dict[str, int]) -> tuple[int, int, int, bool]:
    """First, last, step of one item of a list, and whether it is a star."""
    span, slash, stride = part.partition("/")
    step = _number(stride, {}) if slash else 1
    star = span in ("*", "?")
    if star:
        first, last = low, high
    else:
        start, dash, end = span.partition("-")
        first = _number(start, names)
        last = _number(end, names) if dash else (high if slash else first)
    if step <= 0:
        raise ValueError(f"step of range should be a positive number: {part}")
    if first < low or last > high:
        raise ValueError(f"value out of range ({low} - {high}): {part}")
    if first > last:
        raise ValueError(f"beginning of range ({first}) beyond end of range ({last}): {part}")
    return first, last, step, star


def _number(text: str, names: dict[str, int]) -> int:
    named = names.get(text.lower())
    if named is not None:
        return named
    if not text.isdigit():
        raise ValueError(f"failed to parse int from {text}")
    return int(text)
