"""Pure: figures that only single results tell, for each of the weeks that key figures look back on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.flakiness import classify_failures
from reports.frames import MISSING, PAIR, WEEKS_DAYS, History, Rows, begins_group
from reports.intervals import ratio
from reports.levels import WEEKS
from reports.states import BROKEN, FLAKY, ends_broken, state_names
from reports.thresholds import Thresholds
from reports.windows import last_days

_BY_WEEK: Final = (*PAIR, "week")
_WEEK_DAYS: Final = 7
Figures = Mapping[str, float]
Sums = npt.NDArray[np.float64]


def weekly_results(history: History, events: pd.DataFrame, thresholds: Thresholds) -> dict[int, Figures]:
    """The figures of each week of `levels.week_numbers` but the oldest, if any result was rated in it.

    Each week is measured as a window of its own is: results, flake_events, flake_rate, retry_passes, missing_results,
    broken_pairs, flaky_pairs. `events`: `events.find_events` of `History.weeks`.
    """
    begins = [day.start for day in last_days(history.window, WEEKS_DAYS)[::_WEEK_DAYS]]
    totals = _sums(history.weeks, history.weeks_sequence, begins, events, thresholds)
    totals["flake_rate"] = ratio(totals["flake_events"], totals["results"])
    rated = np.flatnonzero(totals["results"][1:]) + 1
    return {int(week): {name: float(total[week]) for name, total in totals.items()} for week in rated}


def _sums(
    results: pd.DataFrame,
    sequence: pd.DataFrame,
    begins: Sequence[datetime],
    events: pd.DataFrame,
    thresholds: Thresholds,
) -> dict[str, Sums]:
    """Per figure its sum in each week, at the week's number; what is older than all of them at 0."""
    sequence = sequence.assign(week=_weeks(sequence["started_at"], begins))
    new = begins_group(sequence, _BY_WEEK)
    first, group = np.flatnonzero(new), np.cumsum(new) - 1
    week, last = sequence["week"].to_numpy()[first], np.append(first, len(sequence))[1:] - 1
    fail = sequence["fail"].to_numpy(dtype=bool)
    failures = classify_failures(sequence, None, events, thresholds, by=_BY_WEEK)
    retried = np.bincount(group[~fail & sequence["attempts"].gt(0).to_numpy()], minlength=len(first))
    flakes = np.bincount(group[fail][failures["flake"].to_numpy(dtype=bool)], minlength=len(first)) + retried
    n = last - first + 1
    broken = ends_broken(sequence, last, thresholds)
    states = state_names(n, broken, flakes, ratio(flakes, n), thresholds)
    missing = results.loc[results["outcome"].eq(MISSING), "started_at"]
    return {
        "results": _by_week(week, n),
        "flake_events": _by_week(week, flakes),
        "retry_passes": _by_week(week, retried),
        "missing_results": _by_week(_weeks(missing, begins), np.ones(len(missing))),
        "broken_pairs": _by_week(week, states == BROKEN),
        "flaky_pairs": _by_week(week, states == FLAKY),
    }


def _weeks(started: "pd.Series[pd.Timestamp]", begins: Sequence[datetime]) -> Rows:
    """The number of the week of each instant; 0 before all of them."""
    instants = pd.Series(begins).astype(started.dtype).astype("int64")
    found: Rows = np.searchsorted(instants.to_numpy(), started.astype("int64").to_numpy(), side="right")
    return found


def _by_week(week: Rows, count: "npt.NDArray[np.generic]") -> Sums:
    return np.bincount(week, weights=count.astype("float64"), minlength=WEEKS).astype("float64")
