"""
`clock` knows the site's time and working hours, also in nights in which the clocks change.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookd.hours import DAYS, Hours, parse_holidays, parse_hours
from hookd.sandbox.pure import ToolError
from hookd.sandbox.pure.clock import Clock

Json = Any

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = {"mon-fri": "09:00-18:00", "sat": "10:00-13:00, 14:00-16:00"}
NINE_TO_SIX = ((9 * 60, 18 * 60),)


def clock(now: str, hours: Json = OFFICE, holidays: Json = (), zone: ZoneInfo = MOSCOW) -> Clock:
    """A site's clock that stands still at *now*: Moscow, office hours; 2025-05-05 is a Monday."""
    return Clock(zone, hours, list(holidays), datetime.fromisoformat(now))


def test_now_runs_in_the_sites_zone() -> None:
    """
    A clock that is not frozen tells the machine's time, in the site's zone.
    """
    now = Clock(MOSCOW, {}, [], None).now()

    assert now.tzinfo is MOSCOW
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=10)


@pytest.mark.parametrize("frozen", ["2025-05-05T10:00:00", "2025-05-05T07:00:00+00:00", "2025-05-05T10:00:00.7+03:00"])
def test_iso_has_zone_and_seconds(frozen: str) -> None:
    """
    Times come out as the CRM wants them: the site's zone, whole seconds.
    """
    assert clock(frozen).iso() == "2025-05-05T10:00:00+03:00"


@pytest.mark.parametrize(
    "t",
    [
        datetime(2025, 5, 5, 10),
        datetime(2025, 5, 5, 7, tzinfo=UTC),
        "2025-05-05 10:00",
        "2025-05-05T07:00:00Z",
        " 2025-05-05T12:00:00+05:00 ",
    ],
)
def test_a_time_may_be_a_datetime_or_text(t: Json) -> None:
    """
    A time without a zone is the site's; text is ISO 8601.
    """
    assert clock("2025-01-01").iso(t) == "2025-05-05T10:00:00+03:00"


@pytest.mark.parametrize(
    ("t", "shown"),
    [
        ("tomorrow", "'tomorrow'"),
        ("", "''"),
        ("0001-01-01 00:00:00", "'0001-01-01 00:00:00'"),
        ("9999-12-31 23:59:59", "'9999-12-31 23:59:59'"),
        ("x" * 100, f"'{'x' * 40}…'"),
        (1714557600, "1714557600"),
        pytest.param(10**5000, "of type int", id="an integer that Python does not print"),
        (True, "True"),
        (date(2025, 5, 5), "of type date"),
        ({}, "of type dict"),
    ],
)
@pytest.mark.parametrize("method", ["iso", "is_working"])
def test_what_is_no_time_is_explained(method: str, t: Json, shown: str) -> None:
    """
    Anything else, zero dates included, is refused with what to give instead.
    """
    with pytest.raises(ToolError) as caught:
        getattr(clock("2025-01-01"), method)(t)

    assert (caught.value.message, caught.value.remedy) == (
        f"clock.{method} takes a time, not {shown}.",
        'Give it clock.now(), call.started_at, text such as "2025-05-01T10:00:00+03:00", or nothing for now.',
    )


@pytest.mark.parametrize(
    ("now", "is_working"),
    [
        ("2025-05-05T08:59:59", False),
        ("2025-05-05T09:00:00", True),
        ("2025-05-05T17:59:59.999999", True),
        ("2025-05-05T18:00:00", False),
        ("2025-05-05T06:00:00+00:00", True),
        ("2025-05-10T12:00:00", True),
        ("2025-05-10T13:30:00", False),
        ("2025-05-10T14:00:00", True),
        ("2025-05-11T12:00:00", False),
        ("2025-05-09T12:00:00", False),
    ],
)
def test_is_working(now: str, is_working: bool) -> None:
    """
    From the opening on and before the closing, in the site's zone, on no holiday.
    """
    still = clock(now, holidays=["2025-05-09"])

    assert still.is_working() is is_working
    assert clock("2020-01-01", holidays=["2025-05-09"]).is_working(now) is is_working


@pytest.mark.parametrize(
    ("now", "is_working"),
    [
        ("2025-05-05T23:00:00", True),
        ("2025-05-06T05:59:00", True),
        ("2025-05-06T06:00:00", False),
        ("2025-05-09T22:30:00", False),
        ("2025-05-09T05:00:00", True),
        ("2025-05-10T05:00:00", False),
        ("2025-05-05T05:00:00", True),
    ],
)
def test_a_range_through_midnight_belongs_to_its_first_day(now: str, is_working: bool) -> None:
    """
    A night shift goes on into a holiday, and does not begin on one.
    """
    assert clock(now, {"mon-sun": "22:00-06:00"}, ["2025-05-09"]).is_working() is is_working


def test_without_hours_a_site_always_works() -> None:
    """
    No hours are all hours, of every day that is no holiday.
    """
    assert clock("2025-05-11T03:00:00", {}).is_working()
    assert not clock("2025-05-11T03:00:00", {}, ["2025-05-11"]).is_working()
    assert clock("2025-05-10T23:30:00", {}, ["2025-05-11"]).next_working(60).isoformat() == "2025-05-12T00:30:00+03:00"


@pytest.mark.parametrize(
    ("now", "minutes", "then"),
    [
        ("2025-05-05T10:00:25", 0, "2025-05-05T10:00:25+03:00"),
        ("2025-05-05T10:00:25", 30, "2025-05-05T10:30:25+03:00"),
        ("2025-05-05T10:00:00", 1.5, "2025-05-05T10:01:30+03:00"),
        ("2025-05-05T08:00:00", 0, "2025-05-05T09:00:00+03:00"),
        ("2025-05-05T18:00:00", 0, "2025-05-06T09:00:00+03:00"),
        ("2025-05-05T17:30:00", 30, "2025-05-05T18:00:00+03:00"),
        ("2025-05-05T17:30:00", 60, "2025-05-06T09:30:00+03:00"),
        ("2025-05-08T17:30:00", 60, "2025-05-10T10:30:00+03:00"),
        ("2025-05-10T12:30:00", 60, "2025-05-10T14:30:00+03:00"),
        ("2025-05-10T16:00:00", 0, "2025-05-12T09:00:00+03:00"),
        ("2025-05-05T09:00:00", 4 * 540 + 300, "2025-05-10T16:00:00+03:00"),
        ("2025-05-05T09:00:00", 4 * 540 + 301, "2025-05-12T09:01:00+03:00"),
    ],
)
def test_next_working(now: str, minutes: float, then: str) -> None:
    """
    Only working minutes count; 0 is now, or the next opening; a closing is reached before the opening after it.
    """
    assert clock(now, holidays=["2025-05-09"]).next_working(minutes).isoformat() == then


@pytest.mark.parametrize("minutes", [-1, 366 * 24 * 60 + 1, True, "30", None, float("nan"), float("inf"), 10**4000])
def test_minutes_out_of_range_are_explained(minutes: Json) -> None:
    """
    Minutes are a number from 0 to a year.
    """
    with pytest.raises(ToolError, match=r"clock\.next_working takes minutes, 0 to 527040 \(a year\), not .+\."):
        clock("2025-05-05").next_working(minutes)


def test_a_site_that_never_works_is_explained() -> None:
    """
    The search for working time ends, and says what to look at.
    """
    holidays = [date(2025, 1, 1) + timedelta(days=n) for n in range(4000)]

    with pytest.raises(ToolError, match="too few working minutes in the next ten years"):
        clock("2025-05-05", holidays=holidays).next_working()


@pytest.mark.parametrize(
    ("now", "hours", "minutes", "then"),
    [
        # Spring: 02:00 to 03:00 does not exist on 2024-03-31.
        ("2024-03-31T00:00:00", {"sun": "00:00-24:00"}, 180, "2024-03-31T04:00:00+02:00"),
        ("2024-03-31T00:00:00", {"mon-sun": "00:00-24:00"}, 24 * 60, "2024-04-01T01:00:00+02:00"),
        ("2024-03-31T01:30:00", {"sun": "01:00-05:00"}, 60, "2024-03-31T03:30:00+02:00"),
        ("2024-03-31T00:00:00", {"sun": "02:30-05:00"}, 0, "2024-03-31T03:30:00+02:00"),
        ("2024-03-31T01:45:00", {"sun": "01:00-02:30"}, 30, "2024-03-31T03:15:00+02:00"),
        # Autumn: 02:00 to 03:00 comes twice on 2024-10-27.
        ("2024-10-27T00:00:00", {"sun": "00:00-24:00"}, 180, "2024-10-27T02:00:00+01:00"),
        ("2024-10-27T01:30:00", {"sun": "01:00-02:30"}, 120, "2024-10-27T02:30:00+01:00"),
        ("2024-10-26T22:00:00", {"sat": "22:00-06:00"}, 9 * 60, "2024-10-27T06:00:00+01:00"),
    ],
)
def test_working_minutes_pass_while_the_clocks_change(now: str, hours: Json, minutes: int, then: str) -> None:
    """
    A day on which the clocks change has 23 or 25 hours, and a minute is a minute.
    """
    assert clock(now, hours, zone=BERLIN).next_working(minutes).isoformat() == then


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ({}, {}),
        ({"mon-fri": "09:00-18:00"}, dict.fromkeys(DAYS[:5], NINE_TO_SIX)),
        ({"fri-mon": "9:00-18:00"}, dict.fromkeys(("fri", "sat", "sun", "mon"), NINE_TO_SIX)),
        ({" Mon - Tue ": " 09:00 – 18:00 "}, dict.fromkeys(("mon", "tue"), NINE_TO_SIX)),
        ({"sat": "14:00-16:00, 10:00-13:00"}, {"sat": ((600, 780), (840, 960))}),
        ({"sat": "10:00-13:00,13:00-16:00"}, {"sat": ((600, 780), (780, 960))}),
        ({"sun": "00:00-24:00"}, {"sun": ((0, 1440),)}),
        ({"sun": "22:00-06:00"}, {"sun": ((1320, 1800),)}),
        ({"sun": "22:00-00:00"}, {"sun": ((1320, 1440),)}),
        ({"wed-wed": "00:00-00:01"}, {"wed": ((0, 1),)}),
    ],
)
def test_hours_are_read(written: Json, days: dict[str, Any]) -> None:
    """
    Days, ranges of days and of hours, breaks, whole days and nights are understood.
    """
    assert parse_hours(written) == Hours(tuple(days.get(day, ()) for day in DAYS))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "09:00-18:00",
            'hours are a table of days, for example { mon-fri = "09:00-18:00", sat = "10:00-13:00, 14:00-16:00" }; '
            "this is '09:00-18:00'.",
        ),
        (
            {"monday": "09:00-18:00"},
            "hours: 'monday' is no day. Write one of mon, tue, wed, thu, fri, sat, sun, or a range: mon-fri.",
        ),
        (
            {"mon-wed-fri": "09:00-18:00"},
            "hours: 'mon-wed-fri' is no day. Write one of mon, tue, wed, thu, fri, sat, sun, or a range: mon-fri.",
        ),
        (
            {1: "09:00-18:00"},
            "hours: 1 is no day. Write one of mon, tue, wed, thu, fri, sat, sun, or a range: mon-fri.",
        ),
        (
            {"mon-fri": "09:00-18:00", "fri": "09:00-17:00"},
            "hours name fri twice, the second time as 'fri'. Name each day once.",
        ),
        ({"mon": ["09:00-18:00"]}, 'hours: mon = of type list is no text. Write mon = "09:00-18:00".'),
        ({"mon": " "}, "hours: mon has no hours. Leave the day out where nobody works on it."),
        ({"mon": "9-18"}, "hours: mon: '9-18' is no range of hours. Write \"09:00-18:00\"."),
        ({"mon": "09:00-18:00,"}, "hours: mon: '' is no range of hours. Write \"09:00-18:00\"."),
        ({"mon": "09:00-25:00"}, "hours: mon: '09:00-25:00' is no time of a day. Hours go from 00:00 to 24:00."),
        ({"mon": "09:60-18:00"}, "hours: mon: '09:60-18:00' is no time of a day. Hours go from 00:00 to 24:00."),
        ({"mon": "24:00-06:00"}, "hours: mon: '24:00-06:00' is no time of a day. Hours go from 00:00 to 24:00."),
        ({"mon": "09:00-09:00"}, "hours: mon: '09:00-09:00' starts and ends at once. A whole day is \"00:00-24:00\"."),
        (
            {"mon": "09:00-13:00, 12:00-18:00"},
            "hours: mon = '09:00-13:00, 12:00-18:00' has ranges that overlap. Join them to one.",
        ),
    ],
)
def test_hours_that_are_wrong_are_explained(written: Json, message: str) -> None:
    """
    What is wrong with the hours is said with the place, and how it is written.
    """
    with pytest.raises(ValueError, match=r"^hours") as caught:
        parse_hours(written)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("2025-01-01", "holidays are a list of dates, for example [\"2025-01-01\"]; this is '2025-01-01'."),
        (None, 'holidays are a list of dates, for example ["2025-01-01"]; this is nothing.'),
        (["01.01.2025"], "holidays: '01.01.2025' is no date. Write it as \"2025-01-01\"."),
        (["2025-02-30"], "holidays: '2025-02-30' is no date. Write it as \"2025-01-01\"."),
        (["20250101"], "holidays: '20250101' is no date. Write it as \"2025-01-01\"."),
        ([20250101], 'holidays: 20250101 is no date. Write it as "2025-01-01".'),
    ],
)
def test_holidays_that_are_wrong_are_explained(written: Json, message: str) -> None:
    """
    What is wrong with the holidays is said with the value, and how it is written.
    """
    with pytest.raises(ValueError, match=r"^holidays") as caught:
        parse_holidays(written)

    assert str(caught.value) == message


def test_holidays_are_read() -> None:
    """
    Dates may be text, or the dates that TOML has.
    """
    assert parse_holidays(["2025-01-01", date(2025, 1, 2)]) == {date(2025, 1, 1), date(2025, 1, 2)}


def test_hours_and_holidays_may_be_read_already() -> None:
    """
    A clock takes what parse_hours and parse_holidays return, so that a worker reads them once for a site.
    """
    ready = clock("2025-05-05T10:00:00", parse_hours(OFFICE), parse_holidays(["2025-05-05"]))

    assert ready.next_working().isoformat() == "2025-05-06T09:00:00+03:00"


def test_public_names_are_methods() -> None:
    """
    A hook reaches the four methods and nothing of what they are made of.
    """
    assert {"now", "iso", "is_working", "next_working"} == Clock.PUBLIC
    assert {name for name in dir(Clock) if not name.startswith("_")} == Clock.PUBLIC | {"PUBLIC"}


_TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30]))
_RANGES = st.tuples(_TIMES, _TIMES).filter(lambda pair: pair[0] != pair[1]).map("-".join)
_WEEKS = st.dictionaries(st.sampled_from(DAYS), _RANGES, min_size=1)
_NIGHTS = st.sampled_from([datetime(2024, 3, 30, 12), datetime(2024, 10, 26, 12), datetime(2024, 5, 1)])


@given(_WEEKS, _NIGHTS, st.integers(0, 23 * 4), st.integers(0, 12))
def test_next_working_counts_the_minutes_that_are_worked(
    week: dict[str, str], day: datetime, quarters: int, worked: int
) -> None:
    """
    Between now and next_working(n) there are n minutes in which is_working is true.
    """
    now = (day + timedelta(minutes=15 * quarters)).replace(tzinfo=BERLIN)
    still = Clock(BERLIN, week, [date(2024, 5, 2)], now)

    then = still.next_working(15 * worked)

    steps = range(int((then.timestamp() - now.timestamp()) // 900))
    counted = [still.is_working(now.astimezone(UTC) + timedelta(minutes=15 * step)) for step in steps]
    assert sum(counted) == worked
    assert counted[-1:] in ([], [True]) if worked else still.is_working(then)
