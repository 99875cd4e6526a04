"""Compare `recorder.schedule` with the minute-by-minute oracle: all IANA zones x 10 expressions x 10 years.

    python -m bench.cron_campaign                       # everything, some 45 minutes on one core
    python -m bench.cron_campaign --first-year 1995 --zone Europe/Berlin --zone Pacific/Apia

Zones whose clocks agree at every hour of these years share one run. Prints each deviation and a last line with the
totals; exit code 1 when anything deviates.
"""

import argparse
import sys
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from time import perf_counter
from zoneinfo import ZoneInfo, available_timezones

from recorder.schedule import NO_IANA_ZONES, count_due_between, due_between, parse_cadence
from tests.cron_oracle import due_minutes, minute_of, watch_clock

EXPRESSIONS = (
    "*/10 * * * *",
    "5 * * * *",
    "30 2 * * *",
    "0 0 * * *",
    "*/20 0-3 * * *",
    "59 23 * * SUN",
    "0 3 1 * *",
    "15 2 29 2 *",
    "0 12 13 * 5",
    "45 1,2,3 */2 MAR-APR,9-11 MON-FRI",
)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def main() -> int:
    """Run what the command line asks for; 0 when nothing deviates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first-year", type=int, default=2020)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--zone", action="append", help="only these zones, by default all")
    options = parser.parse_args()
    start = datetime(options.first_year, 1, 1, tzinfo=UTC)
    end = datetime(options.first_year + options.years, 1, 1, tzinfo=UTC)

    began = perf_counter()
    zones = sorted(options.zone or (name for name in available_timezones() if not name.startswith(NO_IANA_ZONES)))
    clocks = group_by_clock(zones, start, end)
    instants = deviations = 0
    for number, group in enumerate(clocks, start=1):
        print(f"{number}/{len(clocks)} {perf_counter() - began:.0f} s {group[0]} and {len(group) - 1} more", flush=True)
        for found, deviation in compare(group[0], start, end):
            instants += found * len(group)
            deviations += len(deviation)
            print(*deviation, sep="\n", end="\n" if deviation else "", flush=True)
    print(
        f"{len(zones)} zones ({len(clocks)} clocks) x {len(EXPRESSIONS)} expressions x {options.years} years: "
        f"{instants} instants, {deviations} deviations, {perf_counter() - began:.0f} s"
    )
    return 1 if deviations else 0


def group_by_clock(zones: list[str], start: datetime, end: datetime) -> list[list[str]]:
    """The zones in groups whose clocks agree at each hour of [start - 2 days, end]."""
    hours = range(int(start.timestamp()) - 2 * 86_400, int(end.timestamp()) + 1, 3600)
    groups: dict[bytes, list[str]] = {}
    for name in zones:
        zone = ZoneInfo(name)
        readings = array("q", [int(datetime.fromtimestamp(hour, zone).utcoffset() / SECOND) for hour in hours])  # type: ignore[operator]
        groups.setdefault(blake2b(readings.tobytes()).digest(), []).append(name)
    return list(groups.values())


def compare(zone: str, start: datetime, end: datetime) -> Iterator[tuple[int, list[str]]]:
    """For each expression: how many instants the oracle found in [start, end), and a line for each deviation."""
    clock = watch_clock(zone, start, end)
    for expression in EXPRESSIONS:
        cadence = parse_cadence(cron=expression, every=None, timezone=zone)
        expected = due_minutes(expression, clock)
        after, until = start - MINUTE, end - MINUTE
        got = due_between(cadence, after, until, limit=10_000_000)
        wrong = sorted(set(map(minute_of, got)) ^ set(expected))
        lines = [f"{zone} {expression}: {datetime.fromtimestamp(minute * 60, UTC)}" for minute in wrong]
        if count_due_between(cadence, after, until) != (len(expected), got[-1] if got else None):
            lines.append(f"{zone} {expression}: the count deviates")
        yield len(expected), lines


if __name__ == "__main__":
    sys.exit(main())
