"""Pure: pass rates of run locations, checks and days, each with its fraction and Wilson's 95 % interval.

As a script: `python -m reports.pass_rate sqlite:///history.db --week 2026-W47 --timezone Europe/Berlin` prints them
per (check, run location) as CSV.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from recorder.outcomes import Outcome
from reports.frames import MISSING, OUTCOMES, PAIR, RATED, check_by_check, numbered, rated, rated_sessions
from reports.incidents import count_incidents
from reports.intervals import Floats, ratio, wilson

_OK: Final = (Outcome.PASS, Outcome.DEGRADED)
COUNTS: Final = ("n", "passed", "degraded", "failed", "void", "missing", "first_try", "retry_pass")


def count_results(results: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """COUNTS per group of `by`, which becomes the index; n = passed + degraded + failed.

    `first_try`: ok without an ATTEMPT, `retry_pass`: ok after at least one.
    """
    places, index = numbered(results, by)
    retried = results["attempts"].gt(0).to_numpy()
    kind = results["outcome"].cat.codes.to_numpy(dtype=np.int64) * 2 + retried
    shape = (len(index), len(OUTCOMES.categories), 2)
    found = np.bincount(places * 2 * shape[1] + kind, minlength=math.prod(shape)).reshape(shape)
    every = dict(zip(OUTCOMES.categories, found.sum(axis=2).T, strict=True))
    at_once, after_retry = found[:, OUTCOMES.categories.isin(_OK)].sum(axis=1).T
    counts = {
        "n": sum(every[outcome] for outcome in RATED),
        "passed": every[Outcome.PASS],
        "degraded": every[Outcome.DEGRADED],
        "failed": every[Outcome.FAIL],
        "void": every[Outcome.VOID],
        "missing": every[MISSING],
        "first_try": at_once,
        "retry_pass": after_retry,
    }
    return pd.DataFrame(counts, index=index)


def add_days(daily: pd.DataFrame) -> pd.DataFrame:
    """The counts of each PAIR (the index) from those of its days, `count_results` by PAIR and day."""
    return daily.groupby(level=list(PAIR)).sum()


def _count_flags(rows: pd.DataFrame, by: Sequence[str], flags: "Mapping[str, pd.Series[bool]]") -> pd.DataFrame:
    """How many rows of each group of `by` (the index) have each flag: the groups are found once for all flags."""
    places, index = numbered(rows, by)
    counts = {name: np.bincount(places[flag.to_numpy()], minlength=len(index)) for name, flag in flags.items()}
    return pd.DataFrame(counts, index=index)


def with_rates(counts: pd.DataFrame) -> pd.DataFrame:
    """The counts plus pass, degraded and first-try rate with intervals, and retry_pass_rate (NaN at n = 0).

    DEGRADED counts as a pass, as at Checkly. The interval holds where each row of a group is its own session.
    """
    n, ok = counts["n"], counts["passed"] + counts["degraded"]
    return counts.assign(
        **_rate("pass_rate", ok, n),
        **_rate("degraded_rate", counts["degraded"], n),
        **_rate("first_try_pass_rate", counts["first_try"], n),
        retry_pass_rate=ratio(counts["retry_pass"], n),
    )


def _rate(name: str, count: "pd.Series[int]", n: "pd.Series[int]") -> dict[str, Floats]:
    """The rate and the two ends of its interval, as columns."""
    low, high = wilson(count, n)
    return {name: ratio(count, n), f"{name}_low": low, f"{name}_high": high}


def location_rates(pairs: pd.DataFrame) -> pd.DataFrame:
    """Per `run_location` of (check, location) rows with rates: `checks`, the pooled counts, a mean and a pooled rate.

    `mean_pass_rate` weighs every check alike: pooling alone falls for Simpson's paradox, a location that runs the
    fragile checks more often looks worse. Round-robin checks are in the counts, not in the means: which location they
    ran at was not the same for all. There is no interval: the results of one session are not independent.
    """
    by_location = pairs.groupby("run_location")
    compared = pairs[~pairs["round_robin"]].groupby("run_location")
    counts = by_location[list(COUNTS)].sum()
    return counts.assign(
        checks=by_location.size(),
        compared_checks=compared.size().reindex(counts.index, fill_value=0),
        mean_pass_rate=compared["pass_rate"].mean(),
        mean_first_try_pass_rate=compared["first_try_pass_rate"].mean(),
        pooled_pass_rate=ratio(counts["passed"] + counts["degraded"], counts["n"]),
        mean_degraded_rate=compared["degraded_rate"].mean(),
        pooled_degraded_rate=ratio(counts["degraded"], counts["n"]),
        pooled_first_try_pass_rate=ratio(counts["first_try"], counts["n"]),
    )


def check_rates(sessions: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Per check, at the level of sessions: how each ended, pass rate, first-try pass rate, incidents, split sessions.

    sessions = rated + cancelled + unfinished + left_out; rated = passed + degraded + failed + timed_out.
    """
    counts = count_sessions(sessions, ["check_pk"])
    n, ok = counts["rated"], counts["passed"] + counts["degraded"]
    ordered = check_by_check(rated_sessions(sessions))
    splits = _split_sessions(results).reindex(counts.index, fill_value=0)
    return counts.assign(
        **_rate("pass_rate", ok, n),
        **_rate("degraded_rate", counts["degraded"], n),
        **_rate("first_try_pass_rate", counts["first_try"], n),
        incidents=count_incidents(ordered, ["check_pk"]).reindex(counts.index, fill_value=0),
        split_sessions=splits["split"],
        shared_sessions=splits["shared"],
        **_rate("split_rate", splits["split"], splits["shared"]),
    )


def count_sessions(sessions: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """How the sessions of each group of `by` ended; `first_try`: rated, ok and without any ATTEMPT."""
    status, final = sessions["status"], sessions["is_final"]
    counted = sessions["in_rates"]
    ok = counted & status.isin(["PASSED", "DEGRADED"])
    flags = {
        "sessions": final | ~final,
        "rated": counted & sessions["outcome"].isin(RATED),
        "passed": counted & status.eq("PASSED"),
        "degraded": counted & status.eq("DEGRADED"),
        "failed": counted & status.eq("FAILED"),
        "timed_out": counted & status.eq("TIMED_OUT"),
        "cancelled": counted & status.eq("CANCELLED"),
        "unfinished": ~final,
        "left_out": final & ~counted,
        "first_try": ok & ~sessions["has_attempts"],
    }
    return _count_flags(sessions, by, flags)


def _split_sessions(results: pd.DataFrame) -> pd.DataFrame:
    """Per check: `shared` sessions (two rated run locations or more) and `split` ones (some ok, some failed)."""
    rows = rated(results)
    position = rows["position"].to_numpy()
    size = np.bincount(position)
    failed = np.bincount(position[rows["fail"].to_numpy()], minlength=len(size))
    sessions = rows[["check_pk", "position"]].drop_duplicates("position")
    m, k = size[sessions["position"]], failed[sessions["position"]]
    flags = {"split": pd.Series((k > 0) & (k < m)), "shared": pd.Series(m > 1)}
    return _count_flags(sessions, ["check_pk"], flags)


if __name__ == "__main__":
    from reports.script import print_table

    sys.exit(print_table("pass_rate", __doc__))
