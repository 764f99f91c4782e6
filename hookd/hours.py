"""
Working hours and holidays, as operators write them and as `clock` reads them.

Both sides of the sandbox need them: the settings refuse what cannot be read, the worker lays them over the calendar.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

Json = Any

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_RANGE = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EXAMPLE = '{ mon-fri = "09:00-18:00", sat = "10:00-13:00, 14:00-16:00" }'


@dataclass(frozen=True, slots=True)
class Hours:
    """
    Working hours of a week.

    Attributes:
        days: For each day from Monday its ranges, in order: minutes from its midnight, the end past 1440 where a
            range runs into the next day. No range in any day: all hours of all days.
    """

    days: tuple[tuple[tuple[int, int], ...], ...] = ((),) * 7

    def of(self, weekday: int) -> tuple[tuple[int, int], ...]:
        """Return the ranges that start on *weekday*, 0 for Monday."""
        return self.days[weekday] if any(self.days) else ((0, _DAY_MINUTES),)


def parse_hours(value: Json) -> Hours:
    """
    Read working hours, such as {"mon-fri": "09:00-18:00", "sat": "10:00-13:00, 14:00-16:00"}.

    A range through midnight ("22:00-06:00") belongs to the day on which it starts.

    Raises:
        ValueError: What is wrong, and how it is written.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"hours are a table of days, for example {_EXAMPLE}; this is {shown(value)}.")
    days: dict[str, tuple[tuple[int, int], ...]] = {}
    for key, ranges in value.items():
        for day in _days(key):
            if day in days:
                raise ValueError(f"hours name {day} twice, the second time as {shown(key)}. Name each day once.")
            days[day] = _ranges(key, ranges)
    return Hours(tuple(days.get(day, ()) for day in DAYS))


def parse_holidays(value: Json) -> frozenset[date]:
    """
    Read days on which nobody works, such as ["2025-01-01", "2025-01-02"].

    Raises:
        ValueError: What is wrong, and how it is written.
    """
    if not isinstance(value, Sequence | set | frozenset) or isinstance(value, str):
        raise ValueError(f'holidays are a list of dates, for example ["2025-01-01"]; this is {shown(value)}.')
    return frozenset(map(_holiday, value))


def _days(key: Json) -> list[str]:
    """ "fri-mon" → fri, sat, sun, mon."""
    names = [name.strip().lower() for name in key.split("-")] if isinstance(key, str) else []
    if not 1 <= len(names) <= 2 or any(name not in DAYS for name in names):
        raise ValueError(f"hours: {shown(key)} is no day. Write one of {', '.join(DAYS)}, or a range: mon-fri.")
    first, last = DAYS.index(names[0]), DAYS.index(names[-1])
    return [DAYS[(first + n) % 7] for n in range((last - first) % 7 + 1)]


def _ranges(key: str, value: Json) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, str):
        raise ValueError(f'hours: {key} = {shown(value)} is no text. Write {key} = "09:00-18:00".')
    if not value.strip():
        raise ValueError(f"hours: {key} has no hours. Leave the day out where nobody works on it.")
    ranges = sorted(_range(key, text.strip()) for text in value.split(","))
    for (_, end), (start, _) in pairwise(ranges):
        if start < end:
            raise ValueError(f"hours: {key} = {shown(value)} has ranges that overlap. Join them to one.")
    return tuple(ranges)


def _range(key: str, text: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(text)
    if not found:
        raise ValueError(f'hours: {key}: {shown(text)} is no range of hours. Write "09:00-18:00".')
    from_hour, from_minute, to_hour, to_minute = map(int, found.groups())
    start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
    if max(from_minute, to_minute) > 59 or start >= _DAY_MINUTES or end > _DAY_MINUTES:
        raise ValueError(f"hours: {key}: {shown(text)} is no time of a day. Hours go from 00:00 to 24:00.")
    if start == end:
        raise ValueError(f'hours: {key}: {shown(text)} starts and ends at once. A whole day is "00:00-24:00".')
    return start, end if end > start else end + _DAY_MINUTES


def _holiday(value: Json) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) and _DATE.fullmatch(value) else "")
    except ValueError:
        raise ValueError(f'holidays: {shown(value)} is no date. Write it as "2025-01-01".') from None


def shown(value: Json) -> str:
    """
    Return *value* as it is written in a message: short, and never the text of an object.
    """
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10**18):
        return repr(value)
    return "nothing" if value is None else f"of type {type(value).__name__}"
