"""Pure: which instants a schedule is due at. Everything goes in and comes out as aware UTC.

**`every`** is a steady rhythm: the multiples of its length since 1970-01-01T00:00Z. No clock change touches it.

**`cron`** names times on the wall clock of a time zone, and each of them is due exactly once:

    A local time is due at the first instant at which the local clock reads it or later.

That one rule is the whole treatment of clock changes.

- Spring gap: a local time that the clock jumps over is due at the instant of the jump, the next valid one. Several that
  are jumped over are due there together, once, also with one that names that instant itself.
- Autumn overlap: a local time that the clock shows twice is due the first time, and the second time is not.

It holds for every expression alike, whether a field is written `*` or `0-23`. So an hourly cron has a run for each hour
that the wall clock shows: none in the repeated hour of autumn. Who wants the same distance all year writes `every`, or
the time zone `UTC`.

The expressions are the standard ones: five fields (minute, hour, day of month, month, day of week) of numbers, names,
ranges, steps and lists, or `@hourly @daily @midnight @weekly @monthly @yearly @annually`. 1 is Monday, 0 and 7 are
Sunday. When day of month and day of week are both restricted, a day that fits either is due; a field that starts with
`*` does not restrict (so `*/2` in one of them narrows the other, as in Vixie's cron). Seconds are refused, and so are
`L`, `W`, `#` and `?`: other schedulers give them other meanings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from itertools import islice, takewhile
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim, CronSimError

from recorder.wording import quoted, suggestion

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)
SHORTEST_EVERY: Final = SECOND
SOME_MOMENT: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a wall clock's reading, in no zone; any would do
MACROS: Final = MappingProxyType(
    {
        "@hourly": "0 * * * *",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *",
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
    }
)
FIELDS: Final = (
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day-of-month", "1-31"),
    ("month", "1-12 or JAN-DEC"),
    ("day-of-week", "0-7 or SUN-SAT"),
)
EXTENSIONS: Final = re.compile(r"[#?]|(?<![A-Z])(L|W|LW)(?![A-Z])", re.IGNORECASE)
RANGE_OF_ONE: Final = re.compile(r"(^|,)0*(\w+)-0*\2/", re.IGNORECASE)
NO_IANA_ZONES: Final = ("localtime", "posixrules", "Factory", "posix/", "right/")


@dataclass(frozen=True, slots=True)
class Cadence:
    """When a schedule is due: either five fields of cron on the wall clock of `timezone`, or `every` so long.

    `parse_cadence` makes one and checks it; the constructor believes what it is given.
    """

    cron: str | None
    every: timedelta | None
    timezone: str


def parse_cadence(*, cron: str | None, every: timedelta | None, timezone: str) -> Cadence:
    """Check and normalise: exactly one of `cron` and `every`, and a zone of the IANA database.

    Raises ValueError with one sentence that names what is wrong and how to write it.
    """
    load_zone(timezone)
    if cron is not None and every is None:
        return Cadence(cron=parse_cron(cron), every=None, timezone=timezone)
    if every is not None and cron is None:
        if every < SHORTEST_EVERY:
            raise ValueError("every is at least one second")
        return Cadence(cron=None, every=every, timezone=timezone)
    raise ValueError("write exactly one of cron and every")


def load_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name such as `Europe/Berlin`. Raises ValueError, with the name that may have been meant."""
    if not name.startswith(NO_IANA_ZONES):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    known = (zone for zone in sorted(available_timezones()) if not zone.startswith(NO_IANA_ZONES))
    raise ValueError(f"{quoted(name)} is no time zone: write an IANA name, as Europe/Berlin{suggestion(name, known)}")


def parse_cron(text: str) -> str:
    """The expression as five fields parted by one blank, macros written out.

    Raises ValueError with one sentence that names the field that is wrong, or says that it never fires.
    """
    fields = MACROS.get(text.strip().lower(), text).split()
    if text.strip().startswith("@") and len(fields) == 1:
        raise ValueError(f"cron {quoted(text)} is not known: write five fields or one of {', '.join(MACROS)}")
    if len(fields) == len(FIELDS) + 1:
        raise ValueError(f"cron {quoted(text)} has six fields: leave out the seconds, or write every for less than 1m")
    if len(fields) != len(FIELDS):
        raise ValueError(f"cron {quoted(text)} is not five fields: write minute hour day month weekday")
    for position, field in enumerate(fields):
        _check_field(text, position, field)
    expression = " ".join(fields).upper()
    try:
        next(CronSim(expression, SOME_MOMENT))
    except (CronSimError, StopIteration):
        raise ValueError(f"cron {quoted(text)} never fires: no month it names has that day") from None
    return expression


def _check_field(cron: str, position: int, field: str) -> None:
    """Let cronsim read the field alone, so that the message can name it."""
    name, allowed = FIELDS[position]
    if EXTENSIONS.search(field):
        raise ValueError(f"cron {quoted(cron)}: L, W, # and ? in the {name} field are not standard cron")
    try:
        if not field.isascii() or RANGE_OF_ONE.search(field):
            raise ValueError(field)
        CronSim(" ".join([*"*" * position, field, *"*" * (len(FIELDS) - 1 - position)]), SOME_MOMENT)
    except (CronSimError, ValueError):
        raise ValueError(
            f"cron {quoted(cron)}: {quoted(field)} is no {name}: write {allowed}, *, ranges 1-5, lists 1,3, steps */2"
        ) from None


def next_due(cadence: Cadence, after: datetime) -> datetime:
    """The first due instant strictly after `after`. Raises ValueError for a naive datetime."""
    return next(_instants(cadence, _as_utc(after)))


def due_between(cadence: Cadence, after: datetime, until: datetime, *, limit: int) -> tuple[datetime, ...]:
    """The due instants in (after, until], ascending, the first `limit`. Raises ValueError for naive datetimes."""
    end = _as_utc(until)
    return tuple(islice(takewhile(lambda due: due <= end, _instants(cadence, _as_utc(after))), limit))


def count_due_between(cadence: Cadence, after: datetime, until: datetime) -> tuple[int, datetime | None]:
    """How many due instants lie in (after, until], and the last of them (None when there is none).

    Quick for any length: `every` by division; cron a day at a time, and only a day with a clock change in full.
    """
    start, end = _as_utc(after), _as_utc(until)
    if end <= start:
        return 0, None
    if cadence.every is None:
        return _count_cron(cadence, start, end)
    first, last = (start - EPOCH) // cadence.every, (end - EPOCH) // cadence.every
    return last - first, EPOCH + last * cadence.every if last > first else None


def shortest_gap(cadence: Cadence) -> timedelta:
    """No two due instants are closer than this, clock changes aside; a cron on some days only counts as daily."""
    if cadence.every is not None:
        return cadence.every
    times = _times_of_day(_reader(cadence, SOME_MOMENT))
    return min(later - earlier for earlier, later in zip(times, [*times[1:], times[0] + DAY], strict=True))


def jitter_for(schedule_name: str, due: datetime, jitter: timedelta) -> timedelta:
    """How long this fire waits after it is due: uniform in [0, jitter), in whole milliseconds.

    It follows from the name and the instant alone, so every machine waits the same and a restart changes nothing.
    Raises ValueError for a naive datetime.
    """
    seed = f"{schedule_name}\0{_as_utc(due).isoformat()}".encode()
    fraction = int.from_bytes(blake2b(seed, digest_size=8).digest(), "big")
    return timedelta(milliseconds=(jitter // timedelta(milliseconds=1)) * fraction >> 64)


class DueTrigger(BaseTrigger):  # type: ignore[misc]
    """Wakes APScheduler at each due instant; it is only an alarm clock, the ledger says what is to be done."""

    __slots__ = ("_cadence",)

    def __init__(self, cadence: Cadence) -> None:
        """One trigger for one schedule."""
        self._cadence = cadence

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first due instant after `now`, whatever was fired before: late runs never shift those to come."""
        del previous_fire_time
        return next_due(self._cadence, now)


def _as_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(f"naive datetime {instant.isoformat()}: give it a time zone")
    return instant.astimezone(UTC)


def _instants(cadence: Cadence, after: datetime) -> Iterator[datetime]:
    """All due instants after `after`, ascending, each once."""
    if cadence.every is not None:
        due = EPOCH + ((after - EPOCH) // cadence.every + 1) * cadence.every
        while True:
            yield due
            due += cadence.every
    zone = ZoneInfo(cadence.timezone)
    latest = after
    for local in _reader(cadence, after.astimezone(zone).replace(tzinfo=None)):
        due = _first_reached(local, zone)
        if due > latest:
            yield due
            latest = due


def _reader(cadence: Cadence, after: datetime) -> CronSim:
    """Iterates the matching readings of a wall clock that never changes, after the naive `after`."""
    if cadence.cron is None:
        raise ValueError("a cadence has either cron or every")
    return CronSim(cadence.cron, after)


def _first_reached(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, at which the zone's clock reads the naive `local` or later."""
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while instant - before > SECOND:  # the jump lies in (before, instant]; zones change at whole seconds
        middle = before + (instant - before) // (2 * SECOND) * SECOND
        if middle.astimezone(zone).replace(tzinfo=None) >= local:
            instant = middle
        else:
            before = middle
    return instant


def _times_of_day(reader: CronSim) -> list[timedelta]:
    return [timedelta(hours=hour, minutes=minute) for hour in sorted(reader.hours) for minute in sorted(reader.minutes)]


def _count_cron(cadence: Cadence, after: datetime, until: datetime) -> tuple[int, datetime | None]:
    zone = ZoneInfo(cadence.timezone)
    reader = _reader(cadence, SOME_MOMENT)
    times = _times_of_day(reader)
    count, latest = 0, after
    day, last_day = after.astimezone(zone).date(), until.astimezone(zone).date()
    while day <= last_day:
        if day.month in reader.months and reader.match_day(day):
            found, latest = _count_day(day, zone, times, latest, until)
            count += found
        day += DAY
    return count, latest if count else None


def _count_day(
    day: date, zone: ZoneInfo, times: list[timedelta], latest: datetime, until: datetime
) -> tuple[int, datetime]:
    """How many of the local times of this day are due in (latest, until], and the last of them (else `latest`)."""
    midnight = datetime.combine(day, time())
    start, end = _first_reached(midnight, zone), _first_reached(midnight + DAY, zone)
    if end - start == DAY and latest < start and end <= until:
        return len(times), start + times[-1]
    count = 0
    for moment in times:
        due = _first_reached(midnight + moment, zone)
        if latest < due <= until:
            count, latest = count + 1, due
    return count, latest
