"""Pure: maximal runs of failures in a sequence of outcomes, and what bounds them in time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recorder.outcomes import Outcome
from reports.frames import Rows, begins_group
from reports.windows import Window


def failed_runs(ordered: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The maximal runs of failures within each group of `by`, one row each, in the order of the rows.

    `ordered` is sorted by `by`, then by time, and has a boolean `fail`. `first`, `last`: places of a run's first and
    last row. `at_start`, `at_end`: whether nothing else of its group stands before or after it.
    """
    new, fail = np.append(begins_group(ordered, by), [True]), ordered["fail"].to_numpy(dtype=bool)
    begins, ends = fail.copy(), fail.copy()
    begins[1:] &= new[1:-1] | ~fail[:-1]
    ends[:-1] &= new[1:-1] | ~fail[1:]
    first, last = np.flatnonzero(begins), np.flatnonzero(ends)
    return pd.DataFrame({"first": first, "last": last, "at_start": new[first], "at_end": new[last + 1]})


def count_incidents(ordered: pd.DataFrame, by: Sequence[str]) -> "pd.Series[int]":
    """Maximal runs of failures per group of `by`, by which `ordered` is sorted; a group without one is absent."""
    runs = failed_runs(ordered, by)
    return ordered.iloc[runs["first"]].groupby(list(by)).size().astype(np.int64)


def find_incidents(
    ordered: pd.DataFrame, results: pd.DataFrame, window: Window, begun: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The checks' maximal runs of failed sessions that reach into the window, in the order of time.

    `ordered` and `results` begin before it (`History.session_sequence` and `recent`), so that an incident's beginning
    is known; of those that were there before says `begun` (`History.check_beginnings`), None: nothing is older.
    Columns: check_pk, failed_sessions (in the window), first_failed_at (NaT: too long ago to be known), last_failed_at,
    last_good_at (NaT: none known), recovered_at (NaT: still failing when the window ends), location_pks (sorted keys of
    the run locations that failed in the window), position (of its last failed session).
    """
    runs = failed_runs(ordered, ["check_pk"])
    first, last = runs["first"].to_numpy(), runs["last"].to_numpy()
    started = ordered["started_at"]
    so_far = np.append(0, np.cumsum(started.ge(window.start)))
    spans = pd.DataFrame(
        {
            "check_pk": ordered["check_pk"].to_numpy()[first],
            "first_failed_at": _instants(started, first),
            "last_failed_at": _instants(started, last),
            "position": ordered["position"].to_numpy()[last],
            "failed_sessions": so_far[last + 1] - so_far[first],
            "last_good_at": _instants(started, first - 1).mask(runs["at_start"]),
            "recovered_at": _instants(started, last + 1).mask(runs["at_end"]),
        }
    )
    if begun is not None:
        told = begun.reindex(spans["check_pk"]).set_index(spans.index)
        for name in ("first_failed_at", "last_good_at"):
            spans[name] = spans[name].mask(runs["at_start"], told[name])
    spans["location_pks"] = _places(ordered, runs, results, window)
    chosen = spans[spans["failed_sessions"].gt(0)]
    return chosen.sort_values(["first_failed_at", "check_pk"], ignore_index=True)


def _instants(started: "pd.Series[Any]", rows: Rows) -> "pd.Series[Any]":
    """When these rows started; of a row that is not there any other's."""
    return started.take(np.clip(rows, 0, max(len(started) - 1, 0)).tolist()).reset_index(drop=True)


def _places(ordered: pd.DataFrame, runs: pd.DataFrame, results: pd.DataFrame, window: Window) -> "pd.Series[Any]":
    """Per run (the index) the sorted keys of the run locations that failed in the window; absent without any."""
    lengths = runs["last"] - runs["first"] + 1
    failed = ordered["position"][ordered["fail"]].to_numpy()
    run_of = pd.DataFrame({"position": failed, "run": np.repeat(runs.index, lengths)})
    finals = results[results["outcome"].eq(Outcome.FAIL)]
    finals = finals.loc[finals["started_at"].ge(window.start), ["position", "run_location_pk"]]
    return finals.merge(run_of, on="position").groupby("run")["run_location_pk"].agg(lambda keys: sorted(set(keys)))
