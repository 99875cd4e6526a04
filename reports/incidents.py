"""Pure: maximal runs of failures in a sequence of outcomes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def number_runs(ordered: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """`ordered` (sorted by `by`, then by time; with a boolean `fail`) plus three columns about its runs.

    A run is a maximal stretch of equal `fail` within one group of `by`. `run`: its number, growing down the frame.
    `run_length`: its rows. `at_start`, `at_end`: whether it is the first or the last run of its group.
    """
    group = ordered.groupby(list(by), sort=False).ngroup()
    new_group = group.ne(group.shift())
    starts = new_group | ordered["fail"].ne(ordered["fail"].shift())
    run = starts.cumsum()
    bounds = run.groupby(group)
    return ordered.assign(
        run=run,
        run_length=run.map(run.value_counts()),
        at_start=run.eq(bounds.transform("min")),
        at_end=run.eq(bounds.transform("max")),
    )


def count_incidents(runs: pd.DataFrame, by: Sequence[str]) -> "pd.Series[int]":
    """Maximal runs of failures per group of `by`; a group without one is absent."""
    failed = runs.loc[runs["fail"], [*by, "run"]]
    return failed.groupby(list(by))["run"].nunique().astype(np.int64)
