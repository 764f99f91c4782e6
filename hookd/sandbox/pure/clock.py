"""
`clock`: the time at the site, and when it works.

Working hours are written in wall-clock time and laid over the calendar day by day, as intervals between instants, so
that a day on which the clocks change has 23 or 25 hours and nothing else has to know.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import chain
from typing import Any, ClassVar

from hookd.hours import Hours, parse_holidays, parse_hours, shown
from hookd.sandbox.pure import ToolError

Json = Any

_DAY_MINUTES = 24 * 60

_YEARS = range(1970, 9000)  # zero dates are below, and above is no room to count on
_MINUTES_MAX = 366 * _DAY_MINUTES
_SEARCHED_DAYS_MAX = 10 * 366


class Clock:
    """
    Tells the time of one site, and its working hours.

    A time may be given as a datetime with or without a zone (without: the site's), as ISO 8601 text, or left out:
    now. Methods raise ToolError for anything else.
    """

    PUBLIC: ClassVar[frozenset[str]] = frozenset({"now", "iso", "is_working", "next_working"})

    __slots__ = ("_frozen", "_holidays", "_hours", "_zone")

    def __init__(self, zone: tzinfo, hours: Json, holidays: Json, frozen: datetime | None) -> None:
        """
        Args:
            zone: The site's.
            hours: Hours, or what parse_hours takes; empty is always.
            holidays: What parse_holidays takes.
            frozen: What time it is, for ever (tests of hooks); None is the time of the machine.

        Raises:
            ValueError: As parse_hours and parse_holidays do.
        """
        self._zone = zone
        self._hours = hours if isinstance(hours, Hours) else parse_hours(hours)
        self._holidays = parse_holidays(holidays)
        self._frozen = frozen

    def now(self) -> datetime:
        """Return the time, in the site's zone."""
        return datetime.now(self._zone) if self._frozen is None else self._local(self._frozen)

    def iso(self, t: Json = None) -> str:
        """Return *t* as "2025-05-01T10:00:00+03:00", in the site's zone."""
        return self._moment(t, "iso").isoformat(timespec="seconds")

    def is_working(self, t: Json = None) -> bool:
        """Whether *t* is in the working hours: from the opening on, and before the closing."""
        moment = self._moment(t, "is_working").astimezone(UTC)
        return any(opens <= moment < closes for opens, closes in self._around(moment))

    def next_working(self, minutes: Json = 0) -> datetime:
        """
        Return the moment when so many working minutes from now have passed, in the site's zone.

        With 0: now, if now is in the working hours, else the next opening. Minutes that are used up exactly at a
        closing end there, not at the next opening.
        """
        left = _working_time(minutes)
        counted_to = self.now().astimezone(UTC)
        for opens, closes in self._from(counted_to):
            if closes <= counted_to:  # over, or counted with a range that it overlaps
                continue
            counted_to = max(counted_to, opens)
            if counted_to + left <= closes:
                return (counted_to + left).astimezone(self._zone)
            left -= closes - counted_to
            counted_to = closes
        raise ToolError(
            "clock.next_working finds too few working minutes in the next ten years.",
            "Look at the site's hours and holidays.",
        )

    def _moment(self, t: Json, method: str) -> datetime:
        if t is None:
            return self.now()
        moment = _read(t)
        if moment is None or moment.year not in _YEARS:
            raise ToolError(
                f"clock.{method} takes a time, not {shown(t)}.",
                'Give it clock.now(), call.started_at, text such as "2025-05-01T10:00:00+03:00", or nothing for now.',
            )
        return self._local(moment)

    def _local(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=self._zone) if moment.tzinfo is None else moment.astimezone(self._zone)

    def _around(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The working intervals that may hold *moment*: those of its day and of the night before."""
        today = moment.astimezone(self._zone).date()
        return chain(self._of(today - timedelta(days=1)), self._of(today))

    def _from(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        first = moment.astimezone(self._zone).date() - timedelta(days=1)
        days = (first + timedelta(days=n) for n in range(_SEARCHED_DAYS_MAX))
        return chain.from_iterable(map(self._of, days))

    def _of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The working intervals that start on *day*, in UTC, where differences are time that passes."""
        if day in self._holidays:
            return
        for opens, closes in self._hours.of(day.weekday()):
            # Where the clocks go back over a closing, its second time counts: the site works the longer time. A
            # time that the clocks jump over is taken as so many hours after the midnight before it.
            closings = (self._instant(day, closes, fold=fold) for fold in (0, 1))
            yield self._instant(day, opens, fold=0), max(closings)

    def _instant(self, day: date, minute: int, *, fold: int) -> datetime:
        days, minute = divmod(minute, _DAY_MINUTES)
        day += timedelta(days=days)
        hour, minute = divmod(minute, 60)
        wall = datetime(day.year, day.month, day.day, hour, minute, fold=fold, tzinfo=self._zone)
        return wall.astimezone(UTC)


def _read(t: Json) -> datetime | None:
    if isinstance(t, datetime):
        return t
    try:
        return datetime.fromisoformat(t.strip()) if isinstance(t, str) else None
    except ValueError:
        return None


def _working_time(minutes: Json) -> timedelta:
    is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if not is_number or not 0 <= minutes <= _MINUTES_MAX:
        raise ToolError(
            f"clock.next_working takes minutes, 0 to {_MINUTES_MAX} (a year), not {shown(minutes)}.",
            "Write clock.next_working(30).",
        )
    return timedelta(minutes=minutes)
