"""Pure: the state of each (check, run location) in a word, and since when."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.frames import PAIR, Bools, Rows, begins_group, side_by_side, since, within
from reports.thresholds import DEFAULTS, Thresholds
from reports.windows import Window

BROKEN: Final = "broken"
FLAKY: Final = "flaky"
HEALTHY: Final = "healthy"
FEW: Final = "not enough runs"
STATES: Final = (BROKEN, FLAKY, HEALTHY, FEW)
"""The worst first: a check is as bad as its worst run location."""
Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]


def pair_states(
    sequence: pd.DataFrame,
    measured: pd.DataFrame,
    flakes: pd.DataFrame,
    window: Window,
    thresholds: Thresholds = DEFAULTS,
    *,
    begun: "pd.Series[Any] | None" = None,
) -> pd.DataFrame:
    """`state` and `state_since_at` per PAIR (the index of `measured`: n, flake_events and flake_rate in the window).

    `failing` beside them: whether its newest result failed.

    `sequence`: `frames.sequences` of all results that are looked at one by one, from before the window too; `begun`: of
    pairs that fail when it begins, since when (`sequence_ends`).

    `not enough runs` below `min_runs`. `broken`: the newest `broken_in_a_row` results failed, or `broken_failures` of
    the newest `broken_results`; since the first failure of the run that broke it. `flaky`: at least `flaky_events`
    flake events and `flaky_rate`; since the window's first event (`flakes`: PAIR and started_at). Else `healthy`, since
    the first ok result after the last failure; NaT when none is known.
    """
    ends = sequence_ends(sequence, PAIR, window, thresholds, begun).reindex(measured.index)
    broken = ends["broken"].eq(True)  # noqa: FBT003  a pair without a result is not broken
    n, events, rate = (measured[name].to_numpy() for name in ("n", "flake_events", "flake_rate"))
    state = state_names(n, broken.to_numpy(), events, rate, thresholds)
    first_flake = within(flakes, window).groupby(list(PAIR))["started_at"].min().reindex(measured.index)
    began = ends["recovered_at"].mask(state == FLAKY, first_flake).mask(state == BROKEN, ends["broken_at"])
    columns = {
        "state": state,
        "state_since_at": began.where(state != FEW),
        "failing": ends["failing"].eq(True),  # noqa: FBT003  as above
    }
    return side_by_side(columns, measured.index)


def state_names(
    n: Numbers, broken: Bools, flake_events: Numbers, flake_rate: Numbers, thresholds: Thresholds
) -> "npt.NDArray[np.str_]":
    """The state of each pair by what was counted of it."""
    flaky = (flake_events >= thresholds.flaky_events) & (flake_rate >= thresholds.flaky_rate)
    names: npt.NDArray[np.str_] = np.select([n < thresholds.min_runs, broken, flaky], [FEW, BROKEN, FLAKY], HEALTHY)
    return names


def ends_broken(sequence: pd.DataFrame, rows: Rows, thresholds: Thresholds) -> Bools:
    """Whether each of these rows of a `frames.sequences`, with those of its pair before it, says broken."""
    begins = np.flatnonzero(begins_group(sequence, PAIR))
    first = begins[np.searchsorted(begins, rows, side="right") - 1]
    return _is_broken(sequence["fail"].to_numpy(dtype=bool), rows, first, thresholds)


def sequence_ends(
    sequence: pd.DataFrame,
    by: Sequence[str],
    window: Window,
    thresholds: Thresholds,
    begun: "pd.Series[Any] | None" = None,
) -> pd.DataFrame:
    """Per group of `by` (the index), by which the sequence is sorted: how its rows before the window's end do end.

    `begun`: first_failed_at of each group whose first row failed (`History.pair_beginnings`), NaT when that is too long
    ago to be known; None: nothing is older than the sequence.

    Columns: broken, broken_at (first failure of the run that broke it), recovered_at (first ok row after the last
    failure; NaT without a failure, or when the newest row failed), failing (the newest row failed).
    """
    known = ~since(sequence, window.end)
    new, fail, started = begins_group(sequence, by), sequence["fail"].to_numpy(dtype=bool), sequence["started_at"]
    first = np.flatnonzero(new & known)
    last = np.flatnonzero(known & np.append(new | ~known, [True])[1:])
    broken = _is_broken(fail, last, first, thresholds)
    fails = np.append(-1, np.flatnonzero(fail))
    recovered = np.maximum(fails[np.searchsorted(fails, last, side="right") - 1], first - 1) + 1
    lengths = (last - first + 1)[broken]
    rows = np.arange(lengths.sum()) + np.repeat(first[broken] - np.cumsum(lengths) + lengths, lengths)
    breaking = _breaking_rows(fail[rows], np.repeat(np.flatnonzero(broken), lengths), thresholds)
    broken_at = np.full(len(last), -1)
    broken_at[broken] = rows[breaking]
    columns = {
        "broken": broken,
        "broken_at": _instants(started, broken_at, known=broken),
        "recovered_at": _instants(started, recovered, known=(recovered > first) & (recovered <= last)),
        "failing": fail[last],
    }
    table = side_by_side(columns, _keys(sequence, last, by))
    if begun is None:
        return table
    return table.assign(broken_at=table["broken_at"].mask(broken_at == first, begun.reindex(table.index)))


def mended_at(sequence: pd.DataFrame, by: Sequence[str], window: Window, thresholds: Thresholds) -> "pd.Series[Any]":
    """When each group of `by` (the index) stopped to be broken: the first ok row after the failures that made it so.

    NaT for a group that never was broken, or is when the window ends.
    """
    ordered = sequence[~since(sequence, window.end)]
    new, fail = begins_group(ordered, by), ordered["fail"].to_numpy(dtype=bool)
    last = np.flatnonzero(np.append(new, [True])[1:])
    begins = np.flatnonzero(new)
    first = begins[np.cumsum(new) - 1]
    newest = _last_where(_is_broken(fail, np.arange(len(fail)), first, thresholds), first)[last]
    mended = (newest >= begins) & (newest < last)
    ok_from = _last_where(fail, first)[np.minimum(newest + 1, last)] + 1
    instants = _instants(ordered["started_at"], ok_from, known=mended)
    return instants.set_axis(_keys(ordered, last, by))


def _keys(sequence: pd.DataFrame, rows: Rows, by: Sequence[str]) -> "pd.Index[Any]":
    """The groups to which these rows belong, as an index."""
    keys = sequence.iloc[rows][list(by)]
    return pd.MultiIndex.from_frame(keys) if len(by) > 1 else pd.Index(keys[by[0]])


def _breaking_rows(fail: Bools, pair: Rows, thresholds: Thresholds) -> Rows:
    """For each pair, all of which end broken: the row of the first failure of the run that broke it."""
    new = np.diff(pair, prepend=-1) != 0
    last = np.flatnonzero(np.diff(pair, append=-1))
    first = np.flatnonzero(new)[np.cumsum(new) - 1]
    broken = _is_broken(fail, np.arange(len(fail)), first, thresholds)
    turned = np.minimum(_last_where(~broken, first) + 1, len(fail) - 1)
    run_starts = _last_where(~fail, first) + 1
    rows: Rows = run_starts[turned[last]]
    return rows


def _is_broken(fail: Bools, row: Rows, first: Rows, thresholds: Thresholds) -> Bools:
    """Whether the results up to each of the rows, in a sequence that begins at `first`, say broken."""
    so_far = np.concatenate([[0], np.cumsum(fail)])

    def among(count: int) -> Rows:
        ended: Rows = so_far[row + 1] - so_far[np.maximum(row - count + 1, first)]
        return ended

    in_a_row = among(thresholds.broken_in_a_row) == thresholds.broken_in_a_row
    broken: Bools = in_a_row | (among(thresholds.broken_results) >= thresholds.broken_failures)
    return broken


def _last_where(flags: Bools, first: Rows) -> Rows:
    """The newest row up to each row where the flag is set; the row before the sequence when there is none."""
    row = np.where(flags, np.arange(len(flags)), -1)
    return np.maximum(np.maximum.accumulate(row), first - 1)


def _instants(started: "pd.Series[Any]", rows: Rows, *, known: Bools) -> "pd.Series[Any]":
    """When these rows started; NaT where nothing is known."""
    chosen = started.take(np.clip(rows, 0, max(len(started) - 1, 0)).tolist()).reset_index(drop=True)
    return chosen.where(pd.Series(known))
