"""Compare `recorder.schedule` with the minute-by-minute oracle: all IANA zones x 10 expressions x 10 years.

    python -m bench.cron_campaign                       # everything, on all cores: some 45 minutes of one
    python -m bench.cron_campaign --first-year 1995 --zone Europe/Berlin --zone Pacific/Apia

Zones whose clocks agree at every hour of these years share one run, and each run is a job of its own: `--jobs` of them
are done at once, by default one for each core. Prints each deviation and a last line with the totals; exit code 1 when
anything deviates.
"""

import argparse
import os
import sys
from array import array
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from functools import partial
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
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at work at once")
    options = parser.parse_args()
    if options.jobs < 1 or options.years < 1:
        parser.error("--jobs and --years are at least 1")
    start = datetime(options.first_year, 1, 1, tzinfo=UTC)
    end = datetime(options.first_year + options.years, 1, 1, tzinfo=UTC)

    began = perf_counter()
    zones = sorted(options.zone or (name for name in available_timezones() if not name.startswith(NO_IANA_ZONES)))
    instants = deviations = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        clocks = group_by_clock(pool, zones, start, end)
        running = {pool.submit(compare, group[0], start, end): group for group in clocks}
        for number, job in enumerate(as_completed(running), start=1):
            group, (found, lines) = running[job], job.result()
            instants += found * len(group)
            deviations += len(lines)
            took = f"{perf_counter() - began:.0f} s"
            print(f"{number}/{len(clocks)} {took} {group[0]} and {len(group) - 1} more", *lines, sep="\n", flush=True)
    print(
        f"{len(zones)} zones ({len(clocks)} clocks) x {len(EXPRESSIONS)} expressions x {options.years} years: "
        f"{instants} instants, {deviations} deviations, {perf_counter() - began:.0f} s"
    )
    return 1 if deviations else 0


def group_by_clock(pool: Executor, zones: list[str], start: datetime, end: datetime) -> list[list[str]]:
    """The zones in groups whose clocks agree at each hour of [start - 2 days, end]."""
    readings = pool.map(partial(digest_of_clock, start=start, end=end), zones, chunksize=10)
    groups: dict[bytes, list[str]] = {}
    for name, reading in zip(zones, readings, strict=True):
        groups.setdefault(reading, []).append(name)
    return list(groups.values())


def digest_of_clock(name: str, *, start: datetime, end: datetime) -> bytes:
    """A digest of what the zone's clock is off UTC by at each hour of [start - 2 days, end]."""
    zone = ZoneInfo(name)
    hours = range(int(start.timestamp()) - 2 * 86_400, int(end.timestamp()) + 1, 3600)
    offsets = array("q", [int(datetime.fromtimestamp(hour, zone).utcoffset() / SECOND) for hour in hours])  # type: ignore[operator]
    return blake2b(offsets.tobytes()).digest()


def compare(zone: str, start: datetime, end: datetime) -> tuple[int, list[str]]:
    """How many instants of all expressions the oracle found in [start, end), and a line for each deviation."""
    clock, instants, lines = watch_clock(zone, start, end), 0, list[str]()
    for expression in EXPRESSIONS:
        cadence = parse_cadence(cron=expression, every=None, timezone=zone)
        expected = due_minutes(expression, clock)
        after, until = start - MINUTE, end - MINUTE
        got = due_between(cadence, after, until, limit=10_000_000)
        wrong = sorted(set(map(minute_of, got)) ^ set(expected))
        instants += len(expected)
        lines += [f"{zone} {expression}: {datetime.fromtimestamp(minute * 60, UTC)}" for minute in wrong]
        if count_due_between(cadence, after, until) != (len(expected), got[-1] if got else None):
            lines.append(f"{zone} {expression}: the count deviates")
    return instants, lines


if __name__ == "__main__":
    sys.exit(main())
