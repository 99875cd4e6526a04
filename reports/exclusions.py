"""Pure: what is left of the rates without the spans that a person excluded; nothing recorded is left out of the rest.

A result is covered when its session started in an exclusion's span, of its check and at its run location. A session is
covered when an exclusion of all locations covers it, when each of its rated results is covered, or when it failed and
each of its failures is covered: what it would have been without them nobody knows, so it counts neither way.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from reports.elapsed import elapsed
from reports.frames import PAIR, SERIES, History, rated, rated_sessions, within_ordered
from reports.intervals import ratio
from reports.pass_rate import location_rates
from reports.windows import Window

_Mask = np.ndarray[Any, np.dtype[np.bool_]]


def without_excluded(history: History) -> History:
    """The history without the results and rated sessions that exclusions cover; itself when nothing is excluded."""
    excluded = history.exclusions
    if excluded.empty:
        return history
    sessions = history.recent_sessions[history.recent_sessions["rated"]]
    gone = sessions.loc[covered_sessions(sessions, history.recent, excluded), "position"]

    def left(results: pd.DataFrame) -> pd.DataFrame:
        return results[~covered_results(results, excluded)].reset_index(drop=True)

    def rest(sessions: pd.DataFrame) -> pd.DataFrame:
        return sessions[~sessions["position"].isin(gone)].reset_index(drop=True)

    return replace(
        history,
        sessions=rest(history.sessions),
        results=left(history.results),
        recent=left(history.recent),
        sequence=left(history.sequence),
        recent_sessions=rest(history.recent_sessions),
        session_sequence=rest(history.session_sequence),
    )


def adjust_pairs(pairs: pd.DataFrame, left: pd.DataFrame | None) -> pd.DataFrame:
    """`pairs` (with PAIR as columns) plus n, pass_rate, flake_events and flake_rate, each `_adjusted`.

    `left`: `describe_pairs` of `without_excluded`; None, here and below: nothing is excluded.
    """
    return _beside(pairs, left, PAIR, counts=("n", "flake_events"), measures=("pass_rate", "flake_rate"))


def adjust_daily(daily: pd.DataFrame, left: pd.DataFrame | None) -> pd.DataFrame:
    """`daily` (with PAIR and day) plus n and pass_rate `_adjusted`; `left`: `count_results` by the same keys."""
    if left is not None:
        left = left.assign(pass_rate=ratio(left["passed"] + left["degraded"], left["n"]))
    return _beside(daily, left, [*PAIR, "day"], counts=["n"], measures=["pass_rate"])


def adjust_locations(locations: pd.DataFrame, pairs: pd.DataFrame, left: pd.DataFrame | None) -> pd.DataFrame:
    """`locations` plus n, mean_pass_rate and pooled_pass_rate `_adjusted`.

    `pairs`: the check_location table, `left` as in `adjust_pairs`.
    """
    if left is not None:
        places = pairs[[*PAIR, "run_location", "round_robin"]]
        left = location_rates(places.merge(left, left_on=list(PAIR), right_index=True))
    measures = ("mean_pass_rate", "pooled_pass_rate")
    return _beside(locations, left, ["run_location"], counts=["n"], measures=measures)


def adjust_elapsed(series: pd.DataFrame, left: History | None) -> pd.DataFrame:
    """`series` (with SERIES) plus n, median_ms and p95_ms `_adjusted`; `left`: `without_excluded`."""
    samples = None if left is None else elapsed(rated_sessions(left.sessions))
    return _beside(series, samples, SERIES, counts=["n"], measures=["median_ms", "p95_ms"])


def adjust_checks(checks: pd.DataFrame, left: History | None) -> pd.DataFrame:
    """`checks` (with check_pk) plus n_adjusted, ok_adjusted and pass_rate_adjusted; `left`: `without_excluded`."""
    if left is None:
        ok = checks["passed"] + checks["degraded"]
        return checks.assign(n_adjusted=checks["rated"], ok_adjusted=ok, pass_rate_adjusted=checks["pass_rate"])
    failed = rated_sessions(left.sessions).groupby("check_pk")["fail"]
    counts = pd.DataFrame({"n": failed.size(), "ok": failed.size() - failed.sum()})
    counts = counts.assign(pass_rate=ratio(counts["ok"], counts["n"]))
    return _beside(checks, counts, ["check_pk"], counts=["n", "ok"], measures=["pass_rate"])


def _beside(
    table: pd.DataFrame,
    left: pd.DataFrame | None,
    keys: Sequence[str],
    *,
    counts: Sequence[str],
    measures: Sequence[str],
) -> pd.DataFrame:
    """The table with its `counts` and `measures` once more, `_adjusted`: those of `left`, whose index are the keys.

    What has no row there has nothing left: a count of 0, and no measure. `left` None: as recorded, at no cost.
    """
    if left is None:
        return table.assign(**{f"{name}_adjusted": table[name] for name in (*counts, *measures)})
    index = pd.MultiIndex.from_frame(table[list(keys)]) if len(keys) > 1 else pd.Index(table[keys[0]])
    found = left[[*counts, *measures]].reindex(index).set_index(table.index)
    found = found.fillna(dict.fromkeys(counts, 0)).astype(dict.fromkeys(counts, "int64"))
    return table.join(found.add_suffix("_adjusted"))


def exclusions_table(history: History) -> pd.DataFrame:
    """The exclusions that reach into the window or the time before it, with names, and what each covers by itself.

    `sessions` and `results`: rated ones of the window; `sessions_before` and `results_before`: of the time before.
    `reaches_into`: window, before or both.
    """
    rows = history.exclusions
    names = history.checks.reindex(rows["check_pk"])
    spans = (history.window, history.before)
    now, before = (rows["starts_at"].lt(span.end) & rows["ends_at"].gt(span.start) for span in spans)
    return rows.assign(
        check_id=names["check_id"].to_numpy(),
        check_name=names["check_name"].to_numpy(),
        run_location=history.run_locations.reindex(rows["run_location_pk"]).to_numpy(),
        reaches_into=np.select([now & before, now], ["both", "window"], "before").astype(object),
        **_covered_each(history, history.window),
        **{f"{name}_before": counts for name, counts in _covered_each(history, history.before).items()},
    )


def _covered_each(history: History, span: Window) -> dict[str, list[int]]:
    """How many rated sessions and results of the span each exclusion covers by itself."""
    if history.exclusions.empty:
        return {"sessions": [], "results": []}
    recent = within_ordered(history.recent_sessions, span)
    sessions, finals = recent[recent["rated"]], rated(within_ordered(history.recent, span))
    single = [history.exclusions.iloc[[place]] for place in range(len(history.exclusions))]
    return {
        "sessions": [int(covered_sessions(sessions, finals, one).sum()) for one in single],
        "results": [int(covered_results(finals, one).sum()) for one in single],
    }


def covered_results(results: pd.DataFrame, exclusions: pd.DataFrame) -> _Mask:
    """Which of the results an exclusion covers."""
    covered = np.zeros(len(results), dtype=bool)
    one: Any
    for one in exclusions.itertuples():
        covered |= _spanned(results, one) & _is_of(results["run_location_pk"], one.run_location_pk)
    return covered


def covered_sessions(sessions: pd.DataFrame, results: pd.DataFrame, exclusions: pd.DataFrame) -> _Mask:
    """Which of the rated sessions (with `fail`) are covered; `results` are theirs, and may be of others too."""
    covered = np.zeros(len(sessions), dtype=bool)
    for one in exclusions[exclusions["run_location_pk"].isna()].itertuples():
        covered |= _spanned(sessions, one)
    if exclusions.empty:
        return covered
    finals = rated(results)
    finals = finals.assign(covered=covered_results(finals, exclusions))
    whole = finals.groupby("position")["covered"].all()
    failures = finals[finals["fail"]].groupby("position")["covered"].all()
    position = sessions["position"]
    by_result = position.isin(whole[whole].index) | (sessions["fail"] & position.isin(failures[failures].index))
    return covered | by_result.to_numpy()


def _spanned(rows: pd.DataFrame, exclusion: Any) -> _Mask:
    started = rows["started_at"]
    inside: _Mask = (started.ge(exclusion.starts_at) & started.lt(exclusion.ends_at)).to_numpy()
    return inside & _is_of(rows["check_pk"], exclusion.check_pk)


def _is_of(keys: "pd.Series[Any]", wanted: float) -> _Mask:
    """NaN wants any key."""
    mask: _Mask = np.ones(len(keys), dtype=bool) if np.isnan(wanted) else keys.eq(wanted).to_numpy()
    return mask
