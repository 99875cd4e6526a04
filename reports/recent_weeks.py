"""Pure: figures that only single sessions and results tell, week by week, as far back as these are looked at."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pandas as pd

from reports.flakiness import classify_failures
from reports.frames import MISSING, RECENT_DAYS, History, last_before, within, within_ordered
from reports.incidents import count_incidents, number_runs
from reports.levels import WEEKS
from reports.thresholds import Thresholds
from reports.windows import Window, last_days

WEEK_DAYS: Final = 7
FIRST_WEEK: Final = WEEKS - RECENT_DAYS // WEEK_DAYS
"""The oldest week of `week_numbers` whose sessions and results are looked at one by one."""


def recent_weeks(
    history: History, sequence: pd.DataFrame, events: pd.DataFrame, thresholds: Thresholds
) -> dict[int, Mapping[str, float]]:
    """Incidents, results, flake events and what they are made of, of each week from FIRST_WEEK on with a rated result.

    A week is counted as a window of its own: what began before it and goes on is an incident of both. `sequence`:
    `frames.sequences`.
    """
    days = last_days(history.window, RECENT_DAYS)
    found = {}
    for number in range(FIRST_WEEK, WEEKS):
        first = (number - FIRST_WEEK) * WEEK_DAYS
        week = replace(history.window, start=days[first].start, end=days[first + WEEK_DAYS - 1].end)
        found[number] = _results(history, sequence, week, events, thresholds) | {"incidents": _incidents(history, week)}
    return {number: figures for number, figures in found.items() if figures["results"]}


def _results(
    history: History, sequence: pd.DataFrame, week: Window, events: pd.DataFrame, thresholds: Thresholds
) -> dict[str, float]:
    results, rated = within_ordered(history.recent, week), within(sequence, week)
    failures = classify_failures(rated, last_before(sequence, week.start), events, thresholds)
    retried = int((~rated["fail"] & rated["attempts"].gt(0)).sum())
    flakes = retried + int(failures["flake"].sum())
    return {
        "results": len(rated),
        "flake_events": flakes,
        "flake_rate": flakes / len(rated) if len(rated) else float("nan"),
        "retry_passes": retried,
        "missing_results": int(results["outcome"].eq(MISSING).sum()),
    }


def _incidents(history: History, week: Window) -> int:
    sessions = within_ordered(history.recent_sessions, week)
    rated = sessions[sessions["rated"]].sort_values(["check_pk", "position"])
    return int(count_incidents(number_runs(rated, ["check_pk"]), ["check_pk"]).sum())
