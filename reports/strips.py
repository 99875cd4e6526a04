"""Pure: what the page draws: squares per day, strips session by session, failures by weekday and hour."""

from typing import Final

import pandas as pd

from recorder.outcomes import Outcome
from reports.frames import History, rated_sessions
from reports.pass_rate import count_sessions

STRIP_CHECKS: Final = 10
STRIP_SESSIONS: Final = 200
RETRY: Final = "RETRY"
"""How a result is drawn that was ok only after a failed try."""


def session_strips(history: History, pairs: pd.DataFrame) -> pd.DataFrame:
    """Sessions x run locations of the flakiest checks: check_id, run_location, position, started_at, cell.

    The STRIP_CHECKS checks with the best ranked pairs, their last STRIP_SESSIONS sessions; `cell` is PASS, DEGRADED,
    RETRY, FAIL, VOID or MISSING. Checks in the order of their rank, then locations by name, then time.
    """
    ranked = pairs[pairs["flake_rank"].notna()].sort_values(["flake_rank", "check_id"])
    chosen = ranked["check_pk"].drop_duplicates().head(STRIP_CHECKS).reset_index(drop=True)
    rows = history.results[history.results["check_pk"].isin(chosen)]
    newest = rows[["check_pk", "position"]].drop_duplicates("position").groupby("check_pk").tail(STRIP_SESSIONS)
    rows = rows[rows["position"].isin(newest["position"])]
    retried = rows["outcome"].isin([Outcome.PASS, Outcome.DEGRADED]) & rows["attempts"].gt(0)
    order = rows["check_pk"].map(pd.Series(chosen.index, index=chosen))
    table = rows.assign(
        cell=rows["outcome"].astype(object).mask(retried, RETRY),
        check_id=rows["check_pk"].map(history.checks["check_id"]),
        run_location=rows["run_location_pk"].map(history.run_locations),
        order=order,
    ).sort_values(["order", "run_location", "position"], ignore_index=True)
    return table[["check_id", "run_location", "position", "started_at", "cell"]]


def failures_by_hour(history: History) -> pd.DataFrame:
    """Rated and failed sessions (columns) by local `weekday` (1 = Monday) and `hour`, the index: all 168 of them."""
    sessions = rated_sessions(history.sessions)
    local = sessions["started_at"].dt.tz_convert(history.window.zone)
    rows = pd.DataFrame({"weekday": local.dt.day_of_week + 1, "hour": local.dt.hour, "fail": sessions["fail"]})
    groups = rows.groupby(["weekday", "hour"])["fail"]
    counts = pd.DataFrame({"rated": groups.size(), "failed": groups.sum()})
    week = pd.MultiIndex.from_product([range(1, 8), range(24)], names=["weekday", "hour"])
    return counts.reindex(week, fill_value=0).astype("int64")


def check_days(history: History) -> pd.DataFrame:
    """`rated` and `fail` sessions per check (index check_id) and local day."""
    counts = count_sessions(history.sessions, ["check_pk", "day"]).reset_index()
    named = counts.assign(check_id=counts["check_pk"].map(history.checks["check_id"]))
    return named.assign(fail=named["failed"] + named["timed_out"]).set_index(["check_id", "day"])[["rated", "fail"]]
