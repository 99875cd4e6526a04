"""The command line of the single measures: a database URL and a window in, one CSV table on stdout."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd
from sqlalchemy import Engine

from recorder.clock import utc_now
from recorder.db import missing_sqlite_file, open_engine
from recorder.errors import DatabaseError, RecorderError, UsageError
from reports import tables
from reports.columns import COLUMNS
from reports.csv_files import csv_text
from reports.events import find_events
from reports.exclusions import adjust_elapsed, without_excluded
from reports.flakiness import PARTITION
from reports.frames import PAIR, History
from reports.history import load_history
from reports.pairs import describe_pairs, measure_pairs
from reports.pass_rate import count_results
from reports.thresholds import DEFAULTS
from reports.trends import trends
from reports.windows import Window, range_window, week_window


def _pairs_table(history: History) -> pd.DataFrame:
    events = find_events(history.recent_sessions, history.recent)
    counted = count_results(history.results, PAIR)
    pairs = measure_pairs(history, history.window, counted, events, DEFAULTS)
    return tables.check_location_table(history, describe_pairs(pairs, DEFAULTS))


def _elapsed_table(history: History) -> pd.DataFrame:
    left = None if history.exclusions.empty else without_excluded(history)
    return adjust_elapsed(tables.elapsed_table(history, trends(history)), left)


_PAIR: Final = ("check_id", "check_name", "run_location", "n")
_TABLES: Final[dict[str, tuple[Callable[[History], pd.DataFrame], tuple[str, ...]]]] = {
    "pass_rate": (
        _pairs_table,
        (
            *(*_PAIR, "passed", "degraded", "failed", "void", "missing", "pass_rate", "pass_rate_low"),
            *("pass_rate_high", "degraded_rate", "first_try_pass_rate"),
        ),
    ),
    "flakiness": (
        _pairs_table,
        (
            *(*_PAIR, "failed", *PARTITION, "retry_pass", "retry_pass_rate", "flips", "transitions", "flip_rate"),
            *("flake_events", "flake_rate", "flake_rate_low", "flake_rate_high", "incidents"),
        ),
    ),
    "elapsed": (_elapsed_table, COLUMNS["elapsed"]),
}


def print_table(measure: str, description: str | None, arguments: Sequence[str] | None = None) -> int:
    """Print the measure's table; the exit code: 0, 2 for a wrong command line, 5 for the database."""
    parser = _parser(measure, description)
    options = parser.parse_args(arguments)
    compute, columns = _TABLES[measure]
    try:
        window = _window(options)
        table = compute(load_history(_existing(options.database), window))
    except RecorderError as error:
        print(f"{measure}: {error}", file=sys.stderr)  # noqa: T201  the script's one line about what is wrong
        return error.exit_code
    sys.stdout.write(csv_text(table, columns))
    return 0


def _existing(url: str) -> Engine:
    """The database as it is: a mistyped name must not leave an empty file behind."""
    missing = missing_sqlite_file(url)
    if missing is not None:
        raise DatabaseError(f"there is no database {missing}")
    return open_engine(url)


def _parser(measure: str, description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"reports.{measure}", description=description)
    parser.add_argument("database", help="sqlite:///history.db or postgresql+psycopg://user@host/name")
    parser.add_argument("--week", help='an ISO week as 2026-W47, or "last" (default: the last complete one)')
    parser.add_argument("--from", dest="start", metavar="TIME", help="ISO date or time, instead of --week")
    parser.add_argument("--to", dest="end", metavar="TIME", help="exclusive end, with --from")
    parser.add_argument("--timezone", default="UTC", help="IANA zone of the window (default: UTC)")
    return parser


def _window(options: argparse.Namespace) -> Window:
    if options.start is None and options.end is None:
        return week_window(options.week or "last", timezone=options.timezone, now=utc_now())
    if options.week or options.start is None or options.end is None:
        raise UsageError("give either --week, or --from and --to together")
    return range_window(options.start, options.end, timezone=options.timezone)
