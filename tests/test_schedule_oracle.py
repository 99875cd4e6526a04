"""Due times compared with an oracle that looks at every minute, in the zones in which that is hard."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.schedule import Cadence, count_due_between, due_between, next_due, parse_cadence
from tests.cron_oracle import due_minutes, minute_of, watch_clock

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
HARD_ZONES = (
    "Africa/Casablanca",
    "America/Havana",
    "America/Nuuk",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
)
EXPRESSIONS = (
    "*/5 * * * *",
    "5 * * * *",
    "*/20 0-3 * * *",
    "30 0,1,2 * * SUN",
    "0,30 23,0 * * *",
    "0 0 1-7,29-31 * 5",
    "7/25 */2 */3 JAN-APR,9-12 MON-FRI",
)
YEARS = (2011, 2018, 2024)


def cron(expression: str, zone: str) -> Cadence:
    return parse_cadence(cron=expression, every=None, timezone=zone)


def days_of_change(zone: str) -> list[datetime]:
    """The days (UTC) of the sampled years in which the zone's offset changes, or one day for a zone without changes."""
    tz = ZoneInfo(zone)
    days = [datetime(year, 1, 1, tzinfo=UTC) + number * DAY for year in YEARS for number in range(365)]
    changes = [day for day in days if day.astimezone(tz).utcoffset() != (day + DAY).astimezone(tz).utcoffset()]
    return changes or days[:1]


@pytest.mark.parametrize("zone", HARD_ZONES)
def test_the_due_times_are_those_of_an_oracle_that_looks_at_every_minute(zone: str) -> None:
    """Three days around each clock change of three years; the campaign in bench/ does all zones and ten years."""
    for day in days_of_change(zone):
        start, end = day - DAY, day + 2 * DAY
        clock = watch_clock(zone, start, end)
        for expression in EXPRESSIONS:
            due = due_between(cron(expression, zone), start - MINUTE, end - MINUTE, limit=10_000)
            assert [minute_of(instant) for instant in due] == due_minutes(expression, clock), expression
            assert count_due_between(cron(expression, zone), start - MINUTE, end - MINUTE)[0] == len(due), expression


FIELDS = st.tuples(
    st.sampled_from(["*", "*/7", "0", "30", "15,45", "10-20/5", "50/3"]),
    st.sampled_from(["*", "*/5", "0", "2", "1-3", "22-23,0", "9/6"]),
    st.sampled_from(["*", "*/2", "1", "13", "28-31", "1-15/7"]),
    st.sampled_from(["*", "*/3", "2,3", "MAR-MAY", "10-12", "feb"]),
    st.sampled_from(["*", "*/2", "0", "7", "1-5", "SAT,SUN", "mon"]),
)


@settings(max_examples=40, deadline=None)
@given(fields=FIELDS, zone=st.sampled_from(HARD_ZONES), day=st.dates(date(2010, 1, 1), date(2036, 12, 31)))
def test_any_expression_agrees_with_the_oracle(fields: tuple[str, ...], zone: str, day: date) -> None:
    """Steps, ranges, names and lists, restricted and not, in three days of any year."""
    expression = " ".join(fields)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    expected = due_minutes(expression, watch_clock(zone, start, start + 3 * DAY))

    due = due_between(cron(expression, zone), start - MINUTE, start + 3 * DAY - MINUTE, limit=100_000)

    assert [minute_of(instant) for instant in due] == expected


@settings(max_examples=40, deadline=None)
@given(
    fields=FIELDS,
    zone=st.sampled_from(HARD_ZONES),
    start=st.datetimes(datetime(2010, 1, 1), datetime(2036, 1, 1)),  # noqa: DTZ001 - made aware below
    length=st.timedeltas(timedelta(0), timedelta(days=20)),
)
def test_counting_agrees_with_listing(fields: tuple[str, ...], zone: str, start: datetime, length: timedelta) -> None:
    """The count of a gap row is the number of instants that it stands for, and its last is the last of them."""
    cadence = cron(" ".join(fields), zone)
    after = start.replace(tzinfo=UTC)
    due = due_between(cadence, after, after + length, limit=100_000)

    assert count_due_between(cadence, after, after + length) == (len(due), due[-1] if due else None)


@settings(max_examples=40, deadline=None)
@given(fields=FIELDS, zone=st.sampled_from(HARD_ZONES), start=st.datetimes(datetime(2010, 1, 1), datetime(2036, 1, 1)))  # noqa: DTZ001
def test_walking_one_by_one_and_listing_give_the_same_instants(
    fields: tuple[str, ...], zone: str, start: datetime
) -> None:
    """A daemon that is restarted between any two due times misses none and doubles none."""
    cadence = cron(" ".join(fields), zone)
    after = start.replace(tzinfo=UTC)
    listed = due_between(cadence, after, after + 400 * DAY, limit=12)

    assert [next_due(cadence, earlier) for earlier, _ in pairwise(listed)] == list(listed[1:])
    assert all(next_due(cadence, due - timedelta(microseconds=1)) == due for due in listed)
