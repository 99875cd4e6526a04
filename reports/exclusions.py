"""Pure: what is left of the rates without the spans that a person excluded; nothing recorded is left out of the rest.

A result is covered when its session started in an exclusion's span, of its check and at its run location. A session is
covered when an exclusion of all locations covers it, when each of its rated results is covered, or when it failed and
each of its failures is covered: what it would have been without them nobody knows, so it counts neither way.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recorder.outcomes import Outcome
from reports.frames import PAIR, History, rated, rated_sessions
from reports.intervals import ratio

_Mask = np.ndarray[Any, np.dtype[np.bool_]]


def adjust_pairs(pairs: pd.DataFrame, history: History) -> pd.DataFrame:
    """`pairs` (with PAIR as columns) plus n_adjusted and pass_rate_adjusted: its rates without covered results."""
    if history.exclusions.empty:
        return pairs.assign(n_adjusted=pairs["n"], pass_rate_adjusted=pairs["pass_rate"])
    finals = rated(history.results)
    left = finals[~covered_results(finals, history.exclusions)].groupby(list(PAIR))["fail"]
    counts = pd.DataFrame({"n": left.size(), "failed": left.sum()})
    counts = counts.reindex(pd.MultiIndex.from_frame(pairs[list(PAIR)]), fill_value=0).set_index(pairs.index)
    n, failed = counts["n"].astype("int64"), counts["failed"].astype("int64")
    return pairs.assign(n_adjusted=n, pass_rate_adjusted=ratio(n - failed, n))


def adjust_checks(checks: pd.DataFrame, history: History) -> pd.DataFrame:
    """`checks` (with check_pk) plus n_adjusted, ok_adjusted and pass_rate_adjusted: without covered sessions."""
    sessions = rated_sessions(history.sessions)
    covered = covered_sessions(sessions, history.results, history.exclusions)
    left = sessions[~covered].groupby("check_pk")["fail"]
    counts = pd.DataFrame({"n": left.size(), "failed": left.sum()}).reindex(checks["check_pk"], fill_value=0)
    counts = counts.set_index(checks.index)
    n = counts["n"].astype("int64")
    ok = n - counts["failed"].astype("int64")
    return checks.assign(n_adjusted=n, ok_adjusted=ok, pass_rate_adjusted=ratio(ok, n))


def without_excluded(history: History) -> History:
    """The history without the results and rated sessions that the window's exclusions cover."""
    sessions, excluded = rated_sessions(history.sessions), history.exclusions
    gone = sessions.loc[covered_sessions(sessions, history.results, excluded), "position"]

    def left(results: pd.DataFrame) -> pd.DataFrame:
        return results[~covered_results(results, excluded)].reset_index(drop=True)

    def rest(sessions: pd.DataFrame) -> pd.DataFrame:
        return sessions[~sessions["position"].isin(gone)].reset_index(drop=True)

    return replace(
        history,
        results=left(history.results),
        recent=left(history.recent),
        sequence=left(history.sequence),
        recent_sessions=rest(history.recent_sessions),
        session_sequence=rest(history.session_sequence),
    )


def exclusions_table(history: History) -> pd.DataFrame:
    """The exclusions that reach into the window, with names, and the rated sessions and results that each covers."""
    rows = history.exclusions
    finals, sessions = rated(history.results), rated_sessions(history.sessions)
    single = [rows.iloc[[place]] for place in range(len(rows))]
    names = history.checks.reindex(rows["check_pk"])
    return rows.assign(
        check_id=names["check_id"].to_numpy(),
        check_name=names["check_name"].to_numpy(),
        run_location=history.run_locations.reindex(rows["run_location_pk"]).to_numpy(),
        sessions=[int(covered_sessions(sessions, history.results, one).sum()) for one in single],
        results=[int(covered_results(finals, one).sum()) for one in single],
    )


def covered_results(results: pd.DataFrame, exclusions: pd.DataFrame) -> _Mask:
    """Which of the results an exclusion covers."""
    covered = np.zeros(len(results), dtype=bool)
    one: Any
    for one in exclusions.itertuples():
        covered |= _spanned(results, one) & _is_of(results["run_location_pk"], one.run_location_pk)
    return covered


def covered_sessions(sessions: pd.DataFrame, results: pd.DataFrame, exclusions: pd.DataFrame) -> _Mask:
    """Which of the rated sessions are covered; `results` are those of these sessions, and may be of others too."""
    covered = np.zeros(len(sessions), dtype=bool)
    for one in exclusions[exclusions["run_location_pk"].isna()].itertuples():
        covered |= _spanned(sessions, one)
    if exclusions.empty:
        return covered
    finals = rated(results)
    finals = finals.assign(covered=covered_results(finals, exclusions))
    whole = finals.groupby("position")["covered"].all()
    failures = finals[finals["fail"]].groupby("position")["covered"].all()
    position, failed = sessions["position"], sessions["outcome"].eq(Outcome.FAIL)
    by_result = position.isin(whole[whole].index) | (failed & position.isin(failures[failures].index))
    return covered | by_result.to_numpy()


def _spanned(rows: pd.DataFrame, exclusion: Any) -> _Mask:
    started = rows["started_at"]
    inside: _Mask = (started.ge(exclusion.starts_at) & started.lt(exclusion.ends_at)).to_numpy()
    return inside & _is_of(rows["check_pk"], exclusion.check_pk)


def _is_of(keys: "pd.Series[Any]", wanted: float) -> _Mask:
    """NaN wants any key."""
    mask: _Mask = np.ones(len(keys), dtype=bool) if np.isnan(wanted) else keys.eq(wanted).to_numpy()
    return mask
