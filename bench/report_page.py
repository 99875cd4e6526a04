"""Write the weekly page of many checks, and say how large it is and what it costs beyond loading the data.

    python -m bench.report_page                              # 500 checks x 6 locations, eight weeks: some five minutes
    python -m bench.report_page --checks 10000 --weeks 1 --per-day 1

    python -m bench.report_page --per-day 24                 # two million results: some ten minutes

Targets for 500 checks x 6 locations: at most 400 kB, at most 1 s of CPU beyond loading (measuring and rendering).
Exit code 1 when one is missed.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from random import Random
from time import perf_counter, process_time

from recorder.cli_common import spare_modules_the_collector
from recorder.clock import utc_now
from recorder.db import open_engine
from reports.history import load_history
from reports.render import render_page
from reports.weekly import FORMATS, measure, write_report
from reports.windows import Window, week_window
from tests.past import Payload, empty_database, record, session

PLACES = ("us-east-1", "us-west-1", "eu-central-1", "eu-west-1", "ap-southeast-2", "sa-east-1")
BATCH = 2_000
LARGEST_KB = 400
LONGEST_S = 1.0


def main() -> int:
    """Record, load, measure and render; 0 when both targets are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", type=int, default=500)
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--per-day", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="keep the report in this folder")
    options = parser.parse_args()
    spare_modules_the_collector()  # as the verb does
    window = week_window("2026-W47", timezone="Europe/Berlin", now=utc_now())
    with tempfile.TemporaryDirectory() as folder:
        return run(options, Path(folder), window)


def run(options: argparse.Namespace, folder: Path, window: Window) -> int:
    """The figures of one report, printed as they come."""
    began = perf_counter()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as elsewhere:  # a report begins in a fresh process
        url, count = elsewhere.submit(record_history, options, folder).result()
    print(f"recorded {count:,} sessions of {options.checks:,} checks in {perf_counter() - began:.0f} s", flush=True)
    engine = open_engine(url)
    began, busy = perf_counter(), process_time()
    history = load_history(engine, window)
    loading, loading_cpu = perf_counter() - began, process_time() - busy
    began, busy = perf_counter(), process_time()
    report = measure(history)
    measuring, measuring_cpu = perf_counter() - began, process_time() - busy
    print(f"loading {len(history.weeks):,} results: {loading:.2f} s ({loading_cpu:.2f} s CPU)")
    print(f"measuring {measuring:.2f} s ({measuring_cpu:.2f} s CPU)", flush=True)
    began, busy = perf_counter(), process_time()
    page = render_page(report, files=["checks.csv"])
    rendering, cpu = perf_counter() - began, process_time() - busy
    size = len(page.encode()) / 1000
    beyond = measuring_cpu + cpu
    print(f"page {size:.0f} kB, rendering {rendering:.2f} s ({cpu:.2f} s CPU)")
    print(f"beyond loading {beyond:.2f} s CPU: {beyond / loading_cpu:.2f} x loading")
    if options.out:
        write_report(report, options.out, formats=FORMATS)
    engine.dispose()
    return int(size > LARGEST_KB or beyond > LONGEST_S)


def record_history(options: argparse.Namespace, folder: Path) -> tuple[str, int]:
    """Fill a database; its address, and how many sessions it holds."""
    engine = empty_database(folder)
    count = 0
    for batch in batches(options.checks, options.weeks, options.per_day, Random(options.seed)):  # noqa: S311  no secret
        record(engine, batch)
        count += len(batch)
    engine.dispose()
    return engine.url.render_as_string(hide_password=False), count


def batches(checks: int, weeks: int, per_day: int, random: Random) -> Iterator[list[Payload]]:
    """Sessions of every check up to the end of the week that begins on MONDAY, check by check."""
    batch: list[Payload] = []
    for number in range(checks):
        batch += list(sessions_of(number, weeks, per_day, random))
        if len(batch) >= BATCH:
            yield batch
            batch = []
    yield batch


def sessions_of(number: int, weeks: int, per_day: int, random: Random) -> Iterator[Payload]:
    """One check: most fail rarely, some flake at one location, some have outages, some got slower this week."""
    flaky, slower, outages = number % 7 == 0, number % 25 == 0, number % 10 == 0
    steps, base = weeks * 7 * per_day, random.uniform(300, 30_000)
    outage = random.randrange(steps)
    for step in range(steps):
        hour = (step - (weeks - 1) * 7 * per_day) * 24 / per_day + number % 60 / 60
        down = outages and outage <= step < outage + 4
        ends = {place: "fail" if down or random.random() < 0.001 else "pass" for place in PLACES}
        retried = [place for place in PLACES if random.random() < (0.06 if flaky and place == PLACES[4] else 0.001)]
        elapsed = base * random.lognormvariate(0, 0.1) * (1.25 if slower and hour >= 0 else 1)
        name = f"Check {number:05} of a shop with a name of usual length"
        yield session(hour, ends, check=str(number), name=name, retried=retried, elapsed=elapsed)


if __name__ == "__main__":
    sys.exit(main())
