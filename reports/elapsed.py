"""Pure: timeElapsed per (check, set of run locations): median and p95 of the sessions that went well at once.

As a script: `python -m reports.elapsed sqlite:///history.db --week 2026-W47 --timezone Europe/Berlin` prints CSV.
"""

import sys

import pandas as pd

from reports.frames import SERIES, rated_sessions


def elapsed(sessions: pd.DataFrame) -> pd.DataFrame:
    """Per series: `n`, `excluded`, `median_ms` and `p95_ms` (quantiles of type 7; NaN at n = 0).

    The sample holds PASSED and DEGRADED sessions without any ATTEMPT; `excluded` counts the other rated sessions. With
    failures left in, a rise of failures looks like a slower check.
    """
    rated = _sampled(sessions)
    groups = rated.groupby(list(SERIES))
    samples = rated[rated["sampled"]].groupby(list(SERIES))["time_elapsed_ms"]
    counts = pd.DataFrame({"n": groups["sampled"].sum().astype("int64"), "rated": groups.size()})
    return pd.DataFrame(
        {
            "n": counts["n"],
            "excluded": counts["rated"] - counts["n"],
            "median_ms": samples.median(),
            "p95_ms": samples.quantile(0.95),
        },
        index=counts.index,
    )


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
