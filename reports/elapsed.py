"""Pure: timeElapsed per (check, set of run locations): median and p95 of the sessions that went well at once.

As a script: `python -m reports.elapsed sqlite:///history.db --week 2026-W47 --timezone Europe/Berlin` prints CSV.
"""

import sys

import pandas as pd

from reports.frames import SERIES, Bools
from reports.quantiles import group_quantiles


def in_sample(rated: pd.DataFrame) -> Bools:
    """Which of the rated sessions tell of timeElapsed: PASSED and DEGRADED ones without any ATTEMPT.

    With failures left in, a rise of failures looks like a slower check.
    """
    sample: Bools = (~rated["fail"] & ~rated["has_attempts"] & rated["time_elapsed_ms"].notna()).to_numpy()
    return sample


def elapsed(rated: pd.DataFrame) -> pd.DataFrame:
    """Per series: `n`, `excluded`, `median_ms` and `p95_ms` with their intervals (type 7; NaN at n = 0).

    n counts the sample, `excluded` the other rated sessions.
    """
    sample = in_sample(rated)
    samples = group_quantiles(rated[sample], SERIES, "time_elapsed_ms")
    series = rated.groupby(list(SERIES)).size()
    n = samples["n"].reindex(series.index, fill_value=0)
    return pd.DataFrame({"n": n, "excluded": series - n}).join(samples.drop(columns="n"))


def daily_medians(rated: pd.DataFrame) -> pd.DataFrame:
    """Median timeElapsed of each series and local day, in milliseconds: one row per series, one column per day."""
    samples = rated[in_sample(rated)].groupby([*SERIES, "day"])["time_elapsed_ms"]
    return samples.median().unstack("day")  # noqa: PD010  a Series has no pivot_table


if __name__ == "__main__":
    from reports.script import print_table

    sys.exit(print_table("elapsed", __doc__))
