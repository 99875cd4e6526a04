"""Pure: flakiness by run location: every failure gets a scope and a duration.

As a script: `python -m reports.flakiness sqlite:///history.db --week 2026-W47 --timezone Europe/Berlin` prints it per
(check, run location) as CSV.
"""

import math
import sys
from collections.abc import Sequence
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd

from reports.events import is_in_event
from reports.frames import PAIR, Bools, Rows, begins_group, places_of
from reports.incidents import failed_runs
from reports.intervals import ratio, wilson
from reports.thresholds import DEFAULTS, Thresholds

SCOPES: Final = ("single", "narrow", "wide")
DURATIONS: Final = ("isolated", "sustained", "open")
PARTITION: Final[tuple[str, ...]] = tuple(f"{scope}_{duration}" for scope, duration in product(SCOPES, DURATIONS))
"""The columns of the failure partition; they add up to the failures."""
GAP_MIN_INTERVALS: Final = 4
_HOUR_MS: Final = 3_600_000


def with_flakes(counts: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    """The counts (`pass_rate.count_results` by PAIR) plus flake_events and flake_rate (NaN at n = 0).

    flake_events = retry passes + failures that are flakes. `failures` come from `classify_failures`.
    """
    flakes = np.bincount(places_of(failures[failures["flake"]], counts.index), minlength=len(counts))
    events = counts["retry_pass"] + flakes
    return counts.assign(flake_events=events, flake_rate=ratio(events, counts["n"]))


def with_flakiness(
    counts: pd.DataFrame, sequence: pd.DataFrame, failures: pd.DataFrame, thresholds: Thresholds = DEFAULTS
) -> pd.DataFrame:
    """The counts `with_flakes` plus all else that tells how a pair fails.

    `sequence` (`frames.sequences`) and `failures` are those of the counts. Columns: flips, transitions, flip_rate
    (null without a transition, as below two results), PARTITION, the interval of flake_rate, incidents.
    """
    flips, transitions = count_flips(sequence, counts.index, thresholds)
    low, high = wilson(counts["flake_events"], counts["n"])
    begins = failures["run"].diff().ne(0)
    return counts.assign(
        flips=flips,
        transitions=transitions,
        flip_rate=ratio(flips, transitions),
        **count_cells(failures, counts.index),
        flake_rate_low=low,
        flake_rate_high=high,
        incidents=np.bincount(places_of(failures[begins], counts.index), minlength=len(counts)),
    )


def count_flips(sequence: pd.DataFrame, pairs: "pd.Index[Any]", thresholds: Thresholds = DEFAULTS) -> tuple[Rows, Rows]:
    """Flips (neighbours in a sequence that differ) and transitions (all neighbours) of each of the pairs (PAIR).

    A gap longer than max(3 x the pair's median interval, 24 h) cuts the sequence: what lies between is unknown. Fewer
    than GAP_MIN_INTERVALS intervals tell no usual one, so nothing is cut.
    """
    new, fail = begins_group(sequence, PAIR), sequence["fail"].to_numpy(dtype=bool)
    joined = ~new & ~_cuts(sequence["started_at"], new, thresholds)
    flipped = joined.copy()
    flipped[1:] &= fail[1:] != fail[:-1]
    first = np.flatnonzero(new)
    found, counts = places_of(sequence.iloc[first], pairs), np.zeros((2, len(pairs)), dtype=np.int64)
    for row, flag in zip(counts, (flipped, joined), strict=True):
        row[found] = np.add.reduceat(flag, first, dtype=np.int64)
    flips, transitions = counts
    return flips, transitions


def _cuts(started: "pd.Series[Any]", new: Bools, thresholds: Thresholds) -> Bools:
    """Before which rows a gap cuts the sequence; what is usual is only asked of pairs with a gap that may be too long.

    `new`: where a pair's sequence begins.
    """
    at_ms = started.astype("int64").to_numpy()
    gap = np.diff(at_ms, prepend=at_ms[:1])
    cut: Bools = ~new & (gap > thresholds.gap_hours * _HOUR_MS)
    if not cut.any():
        return cut
    group = np.cumsum(new) - 1
    asked = np.zeros(len(gap), dtype=bool)
    asked[group[cut]] = True
    inside = ~new & asked[group]
    intervals = pd.Series(gap[inside]).groupby(group[inside])
    median, count = intervals.median().reindex(group[cut]), intervals.size().reindex(group[cut])
    usual = thresholds.gap_intervals * median.to_numpy()
    cut[cut] = (gap[cut] > usual) & (count.to_numpy() >= GAP_MIN_INTERVALS)
    return cut


def classify_failures(
    sequence: pd.DataFrame,
    previous: pd.DataFrame | None,
    events: pd.DataFrame,
    thresholds: Thresholds = DEFAULTS,
    *,
    by: Sequence[str] = PAIR,
) -> pd.DataFrame:
    """One row per FAIL of a `frames.sequences`: PAIR, position, started_at, run, scope, duration, flake.

    `previous` comes from `frames.last_before`; None: nothing is known of the time before. `by`: PAIR, or PAIR and what
    cuts its sequence into windows, each of which is looked at for itself.

    Scope, of a session with k failures among m rated results: `single` m = 1; `wide` k >= 2 and 2k > m; else `narrow`.
    Duration, of the pair's maximal run of failures: `sustained` more than 2 sessions, with the one before the window;
    `open` a short run that touches the window's end; else `isolated`. A flake is isolated, not wide, and no part of
    one of the `events` (`events.find_events`).
    """
    runs = failed_runs(sequence, by)
    lengths = (runs["last"] - runs["first"] + 1).to_numpy()
    fail, position = sequence["fail"].to_numpy(dtype=bool), sequence["position"].to_numpy()
    failures = sequence.loc[fail, [*PAIR, "position", "fire_pk", "started_at"]]
    failures = failures.assign(run=np.repeat(runs.index.to_numpy(), lengths))
    failed = position[fail]
    m, k = np.bincount(position)[failed], np.bincount(failed)[failed]
    scope = np.select([m == 1, (k > 1) & (2 * k > m)], ["single", "wide"], "narrow")
    longer = lengths + (runs["at_start"].to_numpy() & _failed_before(sequence, runs["first"].to_numpy(), previous))
    lasted = np.select([longer > thresholds.isolated_sessions, runs["at_end"]], ["sustained", "open"], "isolated")
    duration = np.repeat(lasted, lengths)
    flake = (duration == "isolated") & (scope != "wide") & ~is_in_event(failures, events)
    return failures.assign(scope=scope, duration=duration, flake=flake)


def _failed_before(sequence: pd.DataFrame, rows: Rows, previous: pd.DataFrame | None) -> Bools:
    """Whether the result before each of these rows, of the same pair, failed: in the sequence, else in `previous`."""
    before: Bools = sequence["fail"].to_numpy(dtype=bool)[rows - 1]
    outside = begins_group(sequence, PAIR)[rows]
    before[outside] = False
    if previous is not None:
        pairs = pd.MultiIndex.from_frame(sequence[list(PAIR)].iloc[rows[outside]])
        before[outside] = previous["failed"].reindex(pairs, fill_value=False).to_numpy(dtype=bool)
    return before


def count_cells(failures: pd.DataFrame, pairs: "pd.Index[Any]") -> dict[str, Rows]:
    """How many failures of each of the pairs (PAIR) fall into each cell of PARTITION."""
    names = failures["scope"].astype(str) + "_" + failures["duration"].astype(str)
    cell = names.map({name: place for place, name in enumerate(PARTITION)}).to_numpy(dtype=np.int64)
    shape = (len(pairs), len(PARTITION))
    counts = np.bincount(places_of(failures, pairs) * shape[1] + cell, minlength=math.prod(shape)).reshape(shape)
    return dict(zip(PARTITION, counts.T, strict=True))


if __name__ == "__main__":
    from reports.script import print_table

    sys.exit(print_table("flakiness", __doc__))
