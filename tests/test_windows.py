"""The windows of reports: ISO weeks and ranges in any zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import UsageError
from reports.windows import range_window, week_window

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


def test_a_week_is_cut_at_the_midnights_of_its_zone() -> None:
    """Berlin is an hour ahead of UTC in winter."""
    window = week_window("2026-W47", timezone="Europe/Berlin", now=NOW)

    assert (window.start, window.end) == (
        datetime(2026, 11, 15, 23, tzinfo=UTC),
        datetime(2026, 11, 22, 23, tzinfo=UTC),
    )
    assert window.label == "2026-W47"


@pytest.mark.parametrize(("week", "hours"), [("2026-W13", 167), ("2026-W14", 168), ("2026-W43", 169)])
def test_a_week_has_an_hour_more_or_less_when_the_clocks_change(week: str, hours: int) -> None:
    """In Berlin on 29 March and 25 October 2026."""
    assert week_window(week, timezone="Europe/Berlin", now=NOW).hours == hours


def test_last_is_the_newest_complete_week() -> None:
    """Sunday morning: the running week is not complete."""
    assert week_window("last", timezone="UTC", now=NOW).label == "2026-W46"


def test_last_looks_at_the_clocks_of_the_zone() -> None:
    """In Kiritimati it is Monday already when it is Sunday noon in UTC."""
    sunday_noon = datetime(2026, 11, 22, 12, tzinfo=UTC)

    assert week_window("last", timezone="Pacific/Kiritimati", now=sunday_noon).label == "2026-W47"


def test_the_first_days_of_a_year_may_belong_to_the_last_week_of_the_year_before() -> None:
    """1 January 2027 is a Friday."""
    window = week_window("last", timezone="UTC", now=datetime(2027, 1, 5, tzinfo=UTC))

    assert (window.label, window.start.date()) == ("2026-W53", date(2026, 12, 28))


@pytest.mark.parametrize("week", ["2026-W54", "2026-W00", "2026-47", "", "W47", "this", "9999-W52", "0000-W01"])
def test_a_week_that_does_not_exist_is_refused_in_one_sentence(week: str) -> None:
    """The year 9999 has weeks, but its last one ends after the last year."""
    with pytest.raises(UsageError, match=r"^[^\n]+$"):
        week_window(week, timezone="UTC", now=NOW)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe", "\x00"])
def test_a_zone_that_does_not_exist_is_refused_in_one_sentence(zone: str) -> None:
    """Names of folders and paths are no zones."""
    with pytest.raises(UsageError, match="unknown time zone"):
        week_window("last", timezone=zone, now=NOW)


def test_a_range_of_dates_ends_before_its_last_date() -> None:
    """--to is exclusive."""
    window = range_window("2026-11-01", "2026-11-03", timezone="Europe/Berlin")

    assert window.days == [date(2026, 11, 1), date(2026, 11, 2)]
    assert window.label == "2026-11-01..2026-11-03"


def test_a_time_without_an_offset_is_in_the_zone_and_one_with_an_offset_is_not() -> None:
    """Both may stand in one range; the label is a name for a folder."""
    window = range_window("2026-11-01T06:30", "2026-11-01T06:30:15-01:00", timezone="Europe/Berlin")

    assert window.start == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert window.end == datetime(2026, 11, 1, 7, 30, 15, tzinfo=UTC)
    assert window.label == "2026-11-01T0630..2026-11-01T063015-0100"


def test_a_time_that_the_clocks_skip_is_read_as_if_they_had_not_changed() -> None:
    """02:30 on 29 March 2026 does not exist in Berlin: it is 03:30 summer time."""
    window = range_window("2026-03-29T02:30", "2026-03-30", timezone="Europe/Berlin")

    assert window.start == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_time_that_comes_twice_is_its_first_occurrence() -> None:
    """02:30 on 25 October 2026 in Berlin is first 00:30 UTC."""
    window = range_window("2026-10-25T02:30", "2026-10-26", timezone="Europe/Berlin")

    assert window.start == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-02", "2026-11-01"),
        ("2026-11-01", "2026-11-01"),
        ("yesterday", "2026-11-01"),
        ("2026-11-01", "2026-11-31"),
        ("0001-01-01", "2026-01-01"),
    ],
)
def test_a_range_that_is_empty_or_unreadable_is_refused_in_one_sentence(start: str, end: str) -> None:
    """The first year has no instant in UTC for a zone east of it."""
    with pytest.raises(UsageError, match=r"^[^\n]+$"):
        range_window(start, end, timezone="Asia/Tokyo")


@given(
    zone=st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})),
    monday=st.dates(date(1975, 1, 1), date(2035, 1, 1)).map(lambda day: day - timedelta(days=day.weekday())),
)
def test_weeks_follow_each_other_without_a_gap_in_every_zone(zone: str, monday: date) -> None:
    """The end of one is the start of the next."""
    labels = [f"{day.isocalendar().year}-W{day.isocalendar().week:02}" for day in (monday, monday + timedelta(days=7))]

    this, following = (week_window(label, timezone=zone, now=NOW) for label in labels)

    assert this.end == following.start
    assert this.zone == ZoneInfo(zone)


def test_a_time_is_cut_to_the_milliseconds_that_are_kept() -> None:
    """What Python prints of the present has six places."""
    window = range_window("2026-11-02T10:00:00.123456", "2026-11-05", timezone="UTC")

    assert window.start == datetime(2026, 11, 2, 10, 0, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("0001-01-01", "0001-01-02"),
        ("2026-11-02", "9999-12-31"),
        ("0001-01-01", "2026-12-31"),
        ("0900-01-01", "2026-01-01"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_window_whose_past_no_calendar_has_is_refused_in_one_sentence(start: str, end: str, zone: str) -> None:
    """What came before it is looked at as well."""
    with pytest.raises(UsageError, match=r"^the window \S+ lies outside the years that can be computed with$"):
        range_window(start, end, timezone=zone)
