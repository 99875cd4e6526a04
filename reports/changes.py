"""Pure: what changed: checks that turned broken or flaky, recovered, became slower or faster, are new or gone."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from reports.check_states import BY_CHECK
from reports.frames import INSTANT, PAIR, WEEKS_DAYS, History, within, within_ordered
from reports.intervals import ratio, wilson
from reports.location_test import adjusted
from reports.states import BROKEN, FEW, FLAKY, HEALTHY, mended_at
from reports.thresholds import Thresholds
from reports.trends import DRIFT, FASTER, MOVED, POSSIBLE_DRIFT, SLOWER
from reports.windows import Window, last_days

KINDS: Final = ("broken", "flaky", "recovered", SLOWER, FASTER, DRIFT, POSSIBLE_DRIFT, MOVED, "new", "gone")
"""In the order of the table."""
COLUMNS: Final = (
    *("kind", "check_pk", "run_locations", "since_at", "measure", "before", "now"),
    *("change", "change_low", "change_high", "position"),
)
_TOLD: Final = ["check_pk", "run_location", "state_since_at"]


def find_changes(
    history: History, pairs: pd.DataFrame, sessions: pd.DataFrame, series: pd.DataFrame, thresholds: Thresholds
) -> pd.DataFrame:
    """COLUMNS, in no particular order. `pairs`: `compare_pairs` with run_location; `series`: trends with run_locations.

    `sessions`: `check_states.session_states`.

    measure says what before, now and change are: `fail_rate` of sessions and `flake_rate` of the pair that moved most
    (change is the difference, with Newcombe's interval), `time_elapsed` (ms; change is relative, with the moderated t's
    interval), `time_elapsed_per_week` (of a drift), `sessions` (no interval). A pair that became flaky, or stopped to
    be, is announced when its flake events differ from those of the time before (Fisher's exact test, Benjamini-Hochberg
    over all pairs): around a threshold states flap by chance. position: the session to look at, -1 for none.
    """
    parts = [
        _broken(history, pairs, sessions, thresholds),
        _flaky(pairs, thresholds),
        _trends(history, series),
        _coming_and_going(history),
    ]
    table = pd.concat([part.reindex(columns=list(COLUMNS)) for part in parts if len(part)] or [_nothing()])
    return table.assign(
        since_at=pd.to_datetime(table["since_at"], utc=True).astype(INSTANT),
        position=table["position"].fillna(-1).astype("int64"),
    ).reset_index(drop=True)


def _nothing() -> pd.DataFrame:
    empty = pd.DataFrame({name: pd.Series(dtype="float64") for name in COLUMNS})
    return empty.astype({"kind": object, "run_locations": object, "measure": object, "since_at": INSTANT})


def _broken(history: History, pairs: pd.DataFrame, sessions: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """Checks broken now, by a pair or by their sessions, that were not before, and those that were and no longer are.

    A pair of which nothing was known before does not make a check turn broken whose sessions were.
    """
    own = sessions.reset_index().assign(run_location="", state_since_at=sessions["broken_at"].array)
    is_broken, was_broken = pairs["state"].eq(BROKEN), pairs["state_before"].eq(BROKEN)
    broken_now = {*pairs.loc[is_broken, "check_pk"], *own.loc[own["broken"], "check_pk"]}
    failed_before = pairs["check_pk"].isin(own.loc[own["was_broken"], "check_pk"])
    unknown = failed_before & ~pairs["state_before"].isin([FLAKY, HEALTHY])
    pair_broken = pairs.loc[was_broken, "check_pk"]
    turned = pairs[is_broken & ~was_broken & ~unknown]
    failing = own[own["broken"] & ~own["was_broken"] & ~own["check_pk"].isin(pair_broken)]
    working = pairs[was_broken & pairs["state"].ne(FEW) & ~pairs["check_pk"].isin(broken_now)]
    passing = own[own["was_broken"] & own["n"].ge(thresholds.min_runs) & ~own["check_pk"].isin(broken_now)]
    mended = [
        _mended(history.sequence, PAIR, working, history.window, thresholds) if len(working) else working,
        _mended(history.session_sequence, BY_CHECK, passing, history.window, thresholds) if len(passing) else passing,
    ]
    parts = [("broken", turned), ("broken", failing), *(("recovered", part) for part in mended)]
    rows = pd.concat([part[_TOLD].assign(kind=kind) for kind, part in parts if len(part)] or [turned])
    if rows.empty:
        return rows
    table = _once(rows).join(_session_failures(history), on="check_pk")
    return _with_difference(table.assign(measure="fail_rate"))


def _mended(
    sequence: pd.DataFrame, by: Sequence[str], rows: pd.DataFrame, window: Window, thresholds: Thresholds
) -> pd.DataFrame:
    """The rows, each since its group of `by` was no longer broken."""
    keys = list(by)
    since = mended_at(sequence.merge(rows[keys], on=keys), by, window, thresholds).rename("state_since_at")
    return rows.drop(columns="state_since_at").join(since, on=keys)


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per kind and check, its run locations in a cell: broken since its first, recovered since its last.

    That is not known when it is not known of one.
    """
    groups = rows.assign(unknown=rows["state_since_at"].isna()).groupby(["kind", "check_pk"], as_index=False)
    table = groups.agg(
        run_locations=("run_location", _joined),
        first_at=("state_since_at", "min"),
        last_at=("state_since_at", "max"),
        unknown=("unknown", "any"),
    )
    since = table["first_at"].mask(table["kind"].eq("recovered"), table["last_at"])
    return table.assign(since_at=since.mask(table["unknown"]))


def _session_failures(history: History) -> pd.DataFrame:
    """Per check: failed and rated sessions now and before, and the newest failed session's position."""
    now, before = (within(history.session_sequence, window) for window in (history.window, history.before))
    sums: dict[str, pd.Series[Any]] = {}
    for name, sessions in (("now", now), ("before", before)):
        fail = sessions.groupby("check_pk")["fail"]
        sums |= {f"x_{name}": fail.sum(), f"n_{name}": fail.size()}
    return pd.DataFrame(sums).fillna(0).assign(position=now[now["fail"]].groupby("check_pk")["position"].max())


def _with_difference(table: pd.DataFrame) -> pd.DataFrame:
    """`before`, `now` and `change` of two proportions x of n, with Newcombe's 95 % interval (1998, method 10)."""
    now, before = ratio(table["x_now"], table["n_now"]), ratio(table["x_before"], table["n_before"])
    (low, high), (low_before, high_before) = (
        wilson(table["x_now"], table["n_now"]),
        wilson(table["x_before"], table["n_before"]),
    )
    return table.assign(
        before=before,
        now=now,
        change=now - before,
        change_low=now - before - np.hypot(now - low, high_before - before),
        change_high=now - before + np.hypot(high - now, before - low_before),
    )


def _flaky(pairs: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """Checks with a pair that became flaky or stopped to be, where chance alone does not explain it."""
    enough = pairs[pairs["n"].ge(thresholds.min_runs) & pairs["n_before"].ge(thresholds.min_runs)]
    tested = enough.assign(x_now=enough["flake_events"], x_before=enough["flake_events_before"], n_now=enough["n"])
    certain = adjusted(_fisher(tested)).le(thresholds.false_discovery_rate)
    is_flaky, was_flaky = tested["state"].eq(FLAKY), tested["state_before"].eq(FLAKY)
    more = tested["x_now"] * tested["n_before"] > tested["x_before"] * tested["n_now"]
    turned = tested[certain & more & is_flaky & ~was_flaky].assign(kind="flaky")
    mended = tested[certain & ~more & was_flaky & ~is_flaky & tested["state"].ne(BROKEN)].assign(kind="recovered")
    both = _with_difference(pd.concat([turned, mended])).assign(measure="flake_rate")
    both = both.assign(size=both["change"].abs()).sort_values("size", ascending=False, kind="stable")
    if both.empty:
        return both
    rows = both.groupby(["kind", "check_pk"], as_index=False)
    first = {name: (name, "first") for name in ("measure", "before", "now", "change", "change_low", "change_high")}
    return rows.agg(run_locations=("run_location", _joined), since_at=("state_since_at", "min"), **first)


def _fisher(table: pd.DataFrame) -> "pd.Series[float]":
    """Twice the smaller tail of Fisher's exact test on the flake events of now and before; 1 where there were none."""
    columns = ("x_now", "x_before", "n_now", "n_before")
    x_now, x_before, n_now, n_before = (table[name].to_numpy() for name in columns)
    some = x_now + x_before > 0
    x = x_now[some]
    chance = stats.hypergeom((n_now + n_before)[some], (x_now + x_before)[some], n_now[some])
    p_value = np.ones(len(table))
    p_value[some] = np.minimum(2 * np.minimum(chance.sf(x - 1), chance.cdf(x)), 1.0)
    return pd.Series(p_value, index=table.index)


def _trends(history: History, series: pd.DataFrame) -> pd.DataFrame:
    """Series that became slower or faster, drift, or begin because the run locations changed.

    Of a level nobody knows the instant: it is that of the seven days that were compared, of a drift of its eight weeks.
    """
    weeks = last_days(history.window, WEEKS_DAYS)
    changed = series[series["verdict"].isin([SLOWER, FASTER])]
    level = changed.assign(
        kind=changed["verdict"],
        since_at=weeks[-7].start,
        measure="time_elapsed",
        before=changed["base_ms"],
        now=changed["level_ms"],
        change=changed["change_rate"],
    )
    drifting = series[series["drift"].ne("")]
    drift = drifting.drop(columns=["change_low", "change_high"]).rename(
        columns={"drift_low": "change_low", "drift_high": "change_high"}
    )
    drift = drift.assign(
        kind=drifting["drift"],
        since_at=weeks[0].start,
        measure="time_elapsed_per_week",
        before=drifting["base_ms"],
        now=drifting["level_ms"],
        change=drifting["drift_rate"],
    )
    moved = series[series["moved"]].drop(columns=["change_low", "change_high"])
    moved = moved.assign(kind=MOVED, since_at=moved["moved_at"], measure="run_locations")
    return pd.concat([part for part in (level, drift, moved) if len(part)] or [level], ignore_index=True)


def _coming_and_going(history: History) -> pd.DataFrame:
    """Checks that ran for the first time of all, and those of `History.expected_checks` that did not run any more."""
    sessions = history.recent_sessions
    now, before = _spans(sessions, history.window), _spans(sessions, history.before)
    parts = []
    if history.known_checks:
        new = now[~now.index.isin(history.known_checks)]
        parts.append(new.assign(kind="new", since_at=new["first"], before=0, now=new["sessions"]))
    gone = before[~before.index.isin(now.index) & before.index.isin(history.expected_checks)]
    parts.append(gone.assign(kind="gone", since_at=gone["last"], before=gone["sessions"], now=0))
    return pd.concat(parts).assign(measure="sessions").reset_index()


def _spans(sessions: pd.DataFrame, window: Window) -> pd.DataFrame:
    groups = within_ordered(sessions, window).groupby("check_pk")["started_at"]
    return pd.DataFrame({"sessions": groups.size(), "first": groups.min(), "last": groups.max()})


def _joined(names: "pd.Series[Any]") -> str:
    """Run locations as one cell, as in elapsed.csv; a check broken by its sessions alone names none."""
    return "|".join(sorted(name.replace("|", "||") for name in names if name))
