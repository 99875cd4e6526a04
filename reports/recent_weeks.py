"""Pure: figures that only single results tell, week by week, as far back as these are looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from reports.flakiness import classify_failures
from reports.frames import MISSING, RECENT_DAYS, History, last_before, within, within_ordered
from reports.levels import WEEKS
from reports.pairs import Pairs
from reports.thresholds import Thresholds
from reports.windows import Window, last_days

WEEK_DAYS: Final = 7
FIRST_WEEK: Final = WEEKS - RECENT_DAYS // WEEK_DAYS
"""The oldest week of `week_numbers` whose results are looked at one by one."""


def recent_weeks(
    history: History,
    events: pd.DataFrame,
    thresholds: Thresholds,
    measured: Sequence[tuple[Window, Pairs]],
) -> dict[int, Mapping[str, float]]:
    """Results, flake events and what they are made of, of each week from FIRST_WEEK on with a rated result.

    `measured`: windows that need not be looked at again when they are one of the weeks.
    """
    there = {(window.start, window.end): pairs.table for window, pairs in measured}
    days = last_days(history.window, RECENT_DAYS)
    found = {}
    for number in range(FIRST_WEEK, WEEKS):
        first = (number - FIRST_WEEK) * WEEK_DAYS
        week = replace(history.window, start=days[first].start, end=days[first + WEEK_DAYS - 1].end)
        table = there.get((week.start, week.end))
        found[number] = _results(history, week, events, thresholds) if table is None else _sums(table)
    return {number: figures for number, figures in found.items() if figures["results"]}


def _results(history: History, week: Window, events: pd.DataFrame, thresholds: Thresholds) -> dict[str, float]:
    results, rated = within_ordered(history.recent, week), within(history.sequence, week)
    failures = classify_failures(rated, last_before(history.sequence, week.start), events, thresholds)
    retried = int((~rated["fail"] & rated["attempts"].gt(0)).sum())
    flakes, missing = retried + int(failures["flake"].sum()), int(results["outcome"].eq(MISSING).sum())
    return _named(len(rated), flakes, retried, missing)


def _sums(table: pd.DataFrame) -> dict[str, float]:
    return _named(*(int(table[name].sum()) for name in ("n", "flake_events", "retry_pass", "missing")))


def _named(n: int, flakes: int, retried: int, missing: int) -> dict[str, float]:
    rate = flakes / n if n else float("nan")
    return {
        "results": n,
        "flake_events": flakes,
        "flake_rate": rate,
        "retry_passes": retried,
        "missing_results": missing,
    }
