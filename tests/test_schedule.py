"""When schedules are due: the rule, the zones in which it is hard, and an oracle that looks at every minute."""

from datetime import UTC, datetime, timedelta

import pytest

from recorder.schedule import (
    Cadence,
    DueTrigger,
    count_due_between,
    due_between,
    jitter_for,
    next_due,
    parse_cadence,
    shortest_gap,
)

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(expression: str, zone: str = "UTC") -> Cadence:
    return parse_cadence(cron=expression, every=None, timezone=zone)


def every(**length: float) -> Cadence:
    return parse_cadence(cron=None, every=timedelta(**length), timezone="UTC")


def due_on(cadence: Cadence, start: str, days: float = 1) -> list[str]:
    """The due instants of so many days from `start` on, as UTC text without a date where it is that of `start`."""
    first = utc(start)
    found = due_between(cadence, first - timedelta(microseconds=1), first + days * DAY - MINUTE, limit=10_000)
    return [f"{due:%m-%d %H:%M}" for due in found]


# The clock changes


def test_a_time_that_the_spring_change_skips_is_due_at_the_instant_of_the_jump() -> None:
    """Berlin, 29 March 2026: 02:00 to 03:00 do not exist; 03:00 is 01:00 UTC."""
    assert due_on(cron("30 2 * * *", "Europe/Berlin"), "2026-03-28", 3) == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]


def test_several_times_in_one_spring_gap_are_due_together_once() -> None:
    """Six of them, and not one after the other."""
    assert due_on(cron("*/10 2 * * *", "Europe/Berlin"), "2026-03-29") == ["03-29 01:00"]


def test_a_skipped_time_and_one_that_names_the_jump_itself_are_one() -> None:
    """03:00 is due in its own right, and 02:30 joins it."""
    assert due_on(cron("30,0 2,3 * * *", "Europe/Berlin"), "2026-03-29") == ["03-29 01:00", "03-29 01:30"]


def test_a_time_that_the_autumn_change_repeats_is_due_the_first_time() -> None:
    """Berlin, 25 October 2026: 02:30 is shown at 00:30 and at 01:30 UTC."""
    assert due_on(cron("30 2 * * *", "Europe/Berlin"), "2026-10-24", 3) == ["10-24 00:30", "10-25 00:30", "10-26 01:30"]


def test_an_hourly_cron_has_one_run_for_each_hour_that_the_wall_clock_shows() -> None:
    """So none in the repeated hour; how the hours are written makes no difference."""
    expected = ["10-24 23:05", "10-25 00:05", "10-25 02:05", "10-25 03:05"]

    assert due_on(cron("5 * * * *", "Europe/Berlin"), "2026-10-24T23:00", 5 / 24) == expected
    assert due_on(cron("5 0-23 * * *", "Europe/Berlin"), "2026-10-24T23:00", 5 / 24) == expected


def test_every_is_a_steady_rhythm_that_no_clock_change_touches() -> None:
    """The way to have the same distance all year."""
    cadence = parse_cadence(cron=None, every=timedelta(hours=1), timezone="Europe/Berlin")

    assert due_on(cadence, "2026-10-24T23:00", 4 / 24) == ["10-24 23:00", "10-25 00:00", "10-25 01:00", "10-25 02:00"]


@pytest.mark.parametrize(
    ("zone", "expression", "start", "expected"),
    [
        (
            "America/Sao_Paulo",
            "0 0 * * *",
            "2018-11-03T12:00",
            ["11-04 03:00", "11-05 02:00"],
        ),  # no midnight on the 4th
        ("Asia/Beirut", "0 0 * * *", "2026-03-28T12:00", ["03-28 22:00", "03-29 21:00"]),
        ("America/Havana", "30 0 * * *", "2025-11-01T12:00", ["11-02 04:30", "11-03 05:30"]),  # 00:30 twice on the 2nd
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00", ["10-03 15:30", "10-04 15:15"]),  # half an hour
        ("America/St_Johns", "30 2 * * *", "2026-03-07T12:00", ["03-08 05:30", "03-09 05:00"]),
        ("Antarctica/Troll", "30 1,2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-29 23:30", "03-30 00:30"]),  # two
        ("Asia/Kathmandu", "0 6 * * *", "2026-06-01", ["06-01 00:15", "06-02 00:15"]),
        ("Africa/Casablanca", "30 2 * * *", "2026-03-21T12:00", ["03-22 02:00", "03-23 01:30"]),  # after Ramadan
        ("Pacific/Apia", "0 12 30 12 *", "2011-12-29", ["12-30 10:00"]),  # a whole day that never was
    ],
)
def test_zones_with_unusual_changes_follow_the_same_rule(
    zone: str, expression: str, start: str, expected: list[str]
) -> None:
    """A midnight gap, half hours, two hours, a skipped day: worked out by hand from the zone's transitions."""
    assert due_on(cron(expression, zone), start, 2) == expected


# Standard cron


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 9 * * 1", ["06-01", "06-08"]),  # Mondays; APScheduler would say Tuesday
        ("0 9 * * MON", ["06-01", "06-08"]),
        ("0 9 * * 0", ["06-07", "06-14"]),
        ("0 9 * * 7", ["06-07", "06-14"]),
        ("0 9 13 * 5", ["06-05", "06-12", "06-13"]),  # the 13th or a Friday
        ("0 9 */13 * 1", ["06-01"]),  # the 1st, 14th, 27th, and a Monday: a field with * narrows
        ("0 9 1-3 jun *", ["06-01", "06-02", "06-03"]),
        ("@weekly", ["06-07", "06-14"]),
        ("@monthly", ["06-01"]),
        ("@Daily", [f"06-{day:02}" for day in range(1, 15)]),
    ],
)
def test_days_are_those_of_standard_cron(expression: str, expected: list[str]) -> None:
    """1 June 2026 is a Monday."""
    assert [text[:5] for text in due_on(cron(expression), "2026-06-01", 14)] == expected


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("61 * * * *", '"61" is no minute: write 0-59'),
        ("* 24 * * *", '"24" is no hour: write 0-23'),
        ("* * 0 * *", '"0" is no day-of-month: write 1-31'),
        ("* * * 13 *", '"13" is no month: write 1-12'),
        ("* * * * 8", '"8" is no day-of-week: write 0-7'),
        ("* * * * FRI-SUN", '"FRI-SUN" is no day-of-week'),
        ("*/0 * * * *", "is no minute"),
        ("5-1 * * * *", "is no minute"),
        ("1-1/5 * * * *", "is no minute"),  # cronsim would read 1/5
        ("\u0663 * * * *", "is no minute"),
        ("1" * 5000 + " * * * *", "is no minute"),
        ("", "is not five fields"),
        ("* * * *", "is not five fields"),
        ("0 0 5 * * *", "has six fields: leave out the seconds"),
        ("@reboot", "is not known: write five fields or one of @hourly"),
        ("0 0 L * *", "L, W, # and ? in the day-of-month field are not standard cron"),
        ("0 0 15W * *", "not standard cron"),
        ("0 0 * * 2#1", "L, W, # and ? in the day-of-week field are not standard cron"),
        ("0 0 * * 5L", "not standard cron"),
        ("0 0 ? * 1", "not standard cron"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 2,4,6,9,11 *", "never fires"),
    ],
)
def test_a_cron_that_is_wrong_is_refused_with_the_field_that_is(expression: str, sentence: str) -> None:
    """One sentence each, and no other exception."""
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the text is asserted in full below
        cron(expression)

    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_leap_day_that_must_be_a_monday_too_does_fire() -> None:
    """Rare is not never: 29 February 2044 is the next one."""
    assert next_due(cron("0 0 29 2 */8"), utc("2025-01-01")) == utc("2032-02-29")
    assert next_due(cron("0 0 */28 2 1"), utc("2025-01-01")) == utc("2027-02-01")


@pytest.mark.parametrize(
    "zone", ["Mars/Base", "", "Europe", "../etc/passwd", "localtime", "right/UTC", "x" * 5000, "a\0b"]
)
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    """Also those that only this machine's files make look like one."""
    with pytest.raises(ValueError, match="is no time zone: write an IANA name"):
        cron("0 0 * * *", zone)


def test_a_misspelt_zone_is_answered_with_the_one_that_was_meant() -> None:
    """Zones are case-sensitive on most machines."""
    with pytest.raises(ValueError, match='did you mean "Europe/Berlin"'):
        cron("0 0 * * *", "europe/berlin")


def test_exactly_one_of_cron_and_every_makes_a_cadence() -> None:
    """None leaves nothing to be due, and two would be two schedules."""
    with pytest.raises(ValueError, match="exactly one"):
        parse_cadence(cron=None, every=None, timezone="UTC")
    with pytest.raises(ValueError, match="exactly one"):
        parse_cadence(cron="* * * * *", every=DAY, timezone="UTC")


# every


@pytest.mark.parametrize(
    ("length", "after", "expected"),
    [
        ({"minutes": 10}, "2026-06-01T10:03:59", "2026-06-01T10:10:00"),
        ({"minutes": 10}, "2026-06-01T10:10:00", "2026-06-01T10:20:00"),
        ({"seconds": 1.5}, "2026-06-01T00:00:00.400", "2026-06-01T00:00:01.500"),
        ({"days": 1}, "2026-06-01T00:00:00.001", "2026-06-02T00:00:00"),
        ({"minutes": 7}, "1969-12-31T23:59:00", "1970-01-01T00:00:00"),
    ],
)
def test_every_is_aligned_to_the_clock_and_strictly_after(length: dict[str, float], after: str, expected: str) -> None:
    """Whenever the daemon was started."""
    assert next_due(every(**length), utc(after)) == utc(expected)


def test_every_shorter_than_a_second_is_refused() -> None:
    """Checkly's budget is ten requests a second."""
    with pytest.raises(ValueError, match="at least one second"):
        every(milliseconds=999)


def test_counting_each_second_of_a_decade_is_arithmetic() -> None:
    """Ten years, three of them leap years, without 315 million steps."""
    start, end = utc("2016-01-01"), utc("2026-01-01")

    assert count_due_between(every(seconds=1), start, end) == (3653 * 86_400, end)
    assert count_due_between(every(seconds=1), end, start) == (0, None)


def test_listing_stops_at_the_limit_with_the_first_instants() -> None:
    """The rest is asked for with the last one as `after`."""
    cadence = every(minutes=1)

    assert due_between(cadence, utc("2026-01-01"), utc("2027-01-01"), limit=2) == (
        utc("2026-01-01T00:01"),
        utc("2026-01-01T00:02"),
    )
    assert due_between(cadence, utc("2026-01-01"), utc("2026-01-01"), limit=2) == ()


def test_a_naive_datetime_is_refused_everywhere() -> None:
    """Its zone would be that of the machine."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the point
    for ask in (
        lambda: next_due(every(minutes=1), naive),
        lambda: due_between(every(minutes=1), utc("2026-01-01"), naive, limit=1),
        lambda: count_due_between(every(minutes=1), naive, utc("2026-01-01")),
        lambda: jitter_for("a", naive, DAY),
    ):
        with pytest.raises(ValueError, match="naive"):
            ask()


# Distances, jitter, trigger


@pytest.mark.parametrize(
    ("cadence", "minutes"),
    [
        (cron("*/10 * * * *"), 10),
        (cron("0,50 * * * *"), 10),
        (cron("5 * * * *", "Europe/Berlin"), 60),
        (cron("59 23 * * *"), 1440),
        (cron("0 0,23 * * *"), 60),
        (cron("@monthly"), 1440),
        (every(minutes=7), 7),
    ],
)
def test_the_shortest_gap_is_the_least_distance_of_two_due_times(cadence: Cadence, minutes: int) -> None:
    """Over midnight too; what is due on some days only counts as daily."""
    assert shortest_gap(cadence) == timedelta(minutes=minutes)


def test_jitter_follows_from_name_and_instant_alone() -> None:
    """Every machine, and every start of the daemon, waits the same; the figure holds for all versions."""
    due = utc("2026-06-01T10:00:00")

    assert jitter_for("checkout", due, timedelta(seconds=30)) == jitter_for(
        "checkout", due.astimezone(tz=None), timedelta(seconds=30)
    )
    assert jitter_for("checkout", due, timedelta(seconds=30)) == timedelta(milliseconds=27_777)
    assert jitter_for("checkout", due, timedelta(0)) == timedelta(0)


def test_jitter_is_spread_evenly_below_its_bound() -> None:
    """2,000 instants in ten bins of about 200: each within five standard deviations."""
    bound = timedelta(seconds=10)
    waits = [jitter_for("checkout", utc("2026-06-01") + number * MINUTE, bound) for number in range(2_000)]
    bins = [sum(wait // timedelta(seconds=1) == second for wait in waits) for second in range(10)]

    assert sum(bins) == len(waits)
    assert all(130 < size < 270 for size in bins)


def test_the_trigger_wakes_at_the_next_due_time_whatever_was_fired_before() -> None:
    """Late runs, early runs and a clock set back never shift it."""
    trigger = DueTrigger(every(minutes=10))
    now = utc("2026-06-01T10:03:00")

    for previous in (None, now - DAY, now, now + DAY):
        assert trigger.get_next_fire_time(previous, now) == utc("2026-06-01T10:10:00")
    assert trigger.get_next_fire_time(None, utc("2026-06-01T10:10:00")) == utc("2026-06-01T10:20:00")
