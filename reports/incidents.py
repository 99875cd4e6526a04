"""Pure: maximal runs of failures in a sequence of outcomes, and what bounds them in time."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recorder.outcomes import Outcome
from reports.frames import begins_group
from reports.windows import Window


def number_runs(ordered: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """`ordered` (sorted by `by`, then by time; with a boolean `fail`) plus three columns about its runs.

    A run is a maximal stretch of equal `fail` within one group of `by`. `run`: its number, growing down the frame.
    `run_length`: its rows. `at_start`, `at_end`: whether it is the first or the last run of its group.
    """
    new_group, fail = begins_group(ordered, by), ordered["fail"].to_numpy(dtype=bool)
    starts = new_group.copy()
    starts[1:] |= fail[1:] != fail[:-1]
    run, group = np.cumsum(starts), np.cumsum(new_group) - 1
    first_row = np.flatnonzero(new_group)
    last_row = np.append(first_row[1:], len(ordered))[: len(first_row)] - 1
    lengths = np.diff(np.flatnonzero(starts), append=len(ordered))
    return ordered.assign(
        run=run,
        run_length=lengths[run - 1],
        at_start=run == run[first_row][group],
        at_end=run == run[last_row][group],
    )


def count_incidents(runs: pd.DataFrame, by: Sequence[str]) -> "pd.Series[int]":
    """Maximal runs of failures per group of `by`; a group without one is absent."""
    failed = runs.loc[runs["fail"], [*by, "run"]]
    return failed.groupby(list(by))["run"].nunique().astype(np.int64)


def find_incidents(sessions: pd.DataFrame, results: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The checks' maximal runs of failed sessions that reach into the window, in the order of time.

    `sessions` and `results` begin before it (`History.recent_sessions` and `recent`), so that an incident's
    beginning is known. Columns: check_pk, failed_sessions (in the window), first_failed_at, last_failed_at,
    last_good_at (NaT: none known), recovered_at (NaT: still failing when the window ends), location_pks (sorted keys
    of the run locations that failed in the window), position (of its last failed session).
    """
    ordered = sessions[sessions["rated"]].sort_values(["check_pk", "position"], ignore_index=True)
    runs = number_runs(ordered, ["check_pk"])
    inside = runs["started_at"].ge(window.start)
    spans = runs.groupby("run").agg(
        check_pk=("check_pk", "first"),
        fail=("fail", "first"),
        first_failed_at=("started_at", "min"),
        last_failed_at=("started_at", "max"),
        position=("position", "max"),
    )
    spans["failed_sessions"] = inside.groupby(runs["run"]).sum()
    same_before = spans["check_pk"].eq(spans["check_pk"].shift())
    same_after = spans["check_pk"].eq(spans["check_pk"].shift(-1))
    spans["last_good_at"] = spans["last_failed_at"].shift().where(same_before)
    spans["recovered_at"] = spans["first_failed_at"].shift(-1).where(same_after)
    failed = results[results["outcome"].eq(Outcome.FAIL)]
    failed = failed.loc[failed["started_at"].ge(window.start), ["position", "run_location_pk"]]
    places = failed.merge(runs.loc[runs["fail"], ["position", "run"]], on="position")
    spans["location_pks"] = places.groupby("run")["run_location_pk"].agg(lambda keys: sorted(set(keys)))
    chosen = spans[spans["fail"] & spans["failed_sessions"].gt(0)].reset_index(drop=True)
    return chosen.drop(columns="fail").sort_values(["first_failed_at", "check_pk"], ignore_index=True)
