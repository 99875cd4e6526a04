"""Pure: timeElapsed per (check, set of run locations): median and p95 of the sessions that went well at once.

As a script: `python -m reports.elapsed sqlite:///history.db --week 2026-W47 --timezone Europe/Berlin` prints CSV.
"""

import sys

import pandas as pd

from reports.frames import SERIES, rated_sessions
from reports.quantiles import group_quantiles


def elapsed(sessions: pd.DataFrame) -> pd.DataFrame:
    """Per series: `n`, `excluded`, `median_ms` and `p95_ms` with their intervals (type 7; NaN at n = 0).

    The sample holds PASSED and DEGRADED sessions without any ATTEMPT; `excluded` counts the other rated sessions. With
    failures left in, a rise of failures looks like a slower check.
    """
    rated = _sampled(sessions)
    groups = rated.groupby(list(SERIES))
    n = groups["sampled"].sum().astype("int64")
    samples = group_quantiles(rated[rated["sampled"]], SERIES, "time_elapsed_ms").drop(columns="n")
    return pd.DataFrame({"n": n, "excluded": groups.size() - n}).join(samples)


def daily_medians(sessions: pd.DataFrame) -> pd.DataFrame:
    """Median timeElapsed of each series and local day, in milliseconds: one row per series, one column per day."""
    rated = _sampled(sessions)
    samples = rated[rated["sampled"]].groupby([*SERIES, "day"])["time_elapsed_ms"]
    return samples.median().unstack("day")  # noqa: PD010  a Series has no pivot_table


def _sampled(sessions: pd.DataFrame) -> pd.DataFrame:
    """The rated sessions, with whether each belongs to the sample."""
    counting = rated_sessions(sessions)
    return counting.assign(sampled=~counting["fail"] & ~counting["has_attempts"] & counting["time_elapsed_ms"].notna())


if __name__ == "__main__":
    from reports.script import print_table

    sys.exit(print_table("elapsed", __doc__))
