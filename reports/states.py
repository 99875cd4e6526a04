"""Pure: the state of each (check, run location) in a word, and since when."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.frames import PAIR, sequences, slots, within
from reports.thresholds import DEFAULTS, Thresholds
from reports.windows import Window

BROKEN: Final = "broken"
FLAKY: Final = "flaky"
HEALTHY: Final = "healthy"
FEW: Final = "not enough runs"
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
STATES: Final = (BROKEN, FLAKY, HEALTHY, FEW)
"""The worst first: a check is as bad as its worst run location."""


def pair_states(
    recent: pd.DataFrame,
    measured: pd.DataFrame,
    flakes: pd.DataFrame,
    window: Window,
    thresholds: Thresholds = DEFAULTS,
) -> pd.DataFrame:
    """`state` and `state_since_at` per PAIR (the index of `measured`: n, flake_events and flake_rate in the window).

    `not enough runs` below `min_runs`. `broken`: the newest `broken_in_a_row` results failed, or `broken_failures` of
    the newest `broken_results`; since the first failure of the run that broke it. `flaky`: at least `flaky_events`
    flake events and `flaky_rate`; since the window's first event (`flakes`: PAIR and started_at). Else `healthy`, since
    the first ok result after the last failure; NaT when none is known.
    """
    ends = _sequence_ends(recent[recent["started_at"].lt(window.end)], thresholds).reindex(measured.index)
    few = measured["n"].lt(thresholds.min_runs)
    broken = ends["broken"].eq(True)  # noqa: FBT003  a pair without a result is not broken
    events, rate = measured["flake_events"], measured["flake_rate"]
    flaky = events.ge(thresholds.flaky_events) & rate.ge(thresholds.flaky_rate)
    state = np.select([few, broken, flaky], [FEW, BROKEN, FLAKY], HEALTHY)
    first_flake = within(flakes, window).groupby(list(PAIR))["started_at"].min().reindex(measured.index)
    since = ends["recovered_at"].mask(state == FLAKY, first_flake).mask(state == BROKEN, ends["broken_at"])
    return pd.DataFrame({"state": state, "state_since_at": since.where(state != FEW)}, index=measured.index)


def _sequence_ends(recent: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """Per PAIR how its results end: broken, broken_at (first failure of the run that broke it), recovered_at."""
    sequence = sequences(recent)
    fail = sequence["fail"].to_numpy(dtype=bool)
    new = np.diff(slots(sequence, *PAIR), prepend=-1) != 0
    first = np.flatnonzero(new)[np.cumsum(new) - 1]
    last = np.flatnonzero(np.diff(slots(sequence, *PAIR), append=-1))
    in_a_row = _among_last(thresholds.broken_in_a_row, fail, first) == thresholds.broken_in_a_row
    broken = in_a_row | (_among_last(thresholds.broken_results, fail, first) >= thresholds.broken_failures)
    turned = np.minimum(_last_where(~broken, first) + 1, len(fail) - 1)
    run_starts = _last_where(~fail, first) + 1
    recovered = _last_where(fail, first)[last] + 1
    keys = pd.MultiIndex.from_frame(sequence.loc[last, list(PAIR)])
    started = sequence["started_at"]
    table = pd.DataFrame(
        {
            "broken": broken[last],
            "broken_at": _instants(started, run_starts[turned[last]], known=broken[last]),
            "recovered_at": _instants(started, recovered, known=(recovered > first[last]) & (recovered <= last)),
        }
    )
    return table.set_index(keys)


def _among_last(count: int, fail: Bools, first: Rows) -> Rows:
    """How many of the newest `count` results up to each row failed, within the sequence that begins at `first`."""
    so_far = np.concatenate([[0], np.cumsum(fail)])
    row = np.arange(len(fail))
    ended: Rows = so_far[row + 1] - so_far[np.maximum(row - count + 1, first)]
    return ended


def _last_where(flags: Bools, first: Rows) -> Rows:
    """The newest row up to each row where the flag is set; the row before the sequence when there is none."""
    row = np.where(flags, np.arange(len(flags)), -1)
    return np.maximum(np.maximum.accumulate(row), first - 1)


def _instants(started: "pd.Series[Any]", rows: Rows, *, known: Bools) -> "pd.Series[Any]":
    """When these rows started; NaT where nothing is known."""
    chosen = started.take(np.clip(rows, 0, max(len(started) - 1, 0)).tolist()).reset_index(drop=True)
    return chosen.where(pd.Series(known))
