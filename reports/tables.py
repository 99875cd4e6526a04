"""Pure: lays the measures out as the tables of a report, one row per thing that has a name, in a fixed order.

Which columns a file shows, and in which order: `columns.py`. A table may carry further ones behind them.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from reports.changes import KINDS
from reports.elapsed import daily_medians, elapsed
from reports.frames import MISSING, History, rated_sessions
from reports.intervals import ratio
from reports.key_figures import KeyFigure
from reports.pass_rate import check_rates, location_rates, with_rates


def check_location_table(history: History, pairs: pd.DataFrame) -> pd.DataFrame:
    """One row per (check, run location) that a session of the rates should have run at; keeps PAIR as columns.

    `pairs` comes from `compare_pairs` or, with less in it, from `describe_pairs`.
    """
    return named(pairs.reset_index(), history)


def checks_table(history: History, pairs: pd.DataFrame, states: pd.DataFrame) -> pd.DataFrame:
    """One row per check with a session in the window, however it ended.

    `pairs` is the check_location table, `states` comes from `check_states`.
    """
    rates = check_rates(history.sessions, history.results)
    by_check = pairs.groupby("check_pk")
    sums = by_check[["missing", "retry_pass", "flake_events"]].sum().reindex(rates.index, fill_value=0)
    flags = by_check[["round_robin", "retries_seen"]].any().reindex(rates.index, fill_value=False)
    return named(rates.join([sums, flags, states.reindex(rates.index)]).reset_index(), history)


def locations_table(pairs: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """One row per run location; the mean rates weigh every check alike, the pooled ones every result.

    `worse_checks`: checks that the location test found to fail more often here. `events` are named and merged.
    """
    rates = location_rates(pairs)
    flakes = pairs.groupby("run_location")
    compared = pairs[~pairs["round_robin"]].groupby("run_location")
    local = events[events["kind"].eq("location")].groupby("run_locations").size()
    return rates.assign(
        retry_pass_rate=ratio(rates["retry_pass"], rates["n"]),
        flake_events=flakes["flake_events"].sum(),
        mean_flake_rate=compared["flake_rate"].mean(),
        pooled_flake_rate=ratio(flakes["flake_events"].sum(), rates["n"]),
        worse_checks=flakes["worse"].sum().astype("int64"),
        location_events=local.reindex(rates.index, fill_value=0).astype("int64"),
    ).reset_index()


def daily_table(history: History, daily: pd.DataFrame) -> pd.DataFrame:
    """One row per (check, run location, local day) on which something ran or should have.

    `daily`: `count_results` of the window by PAIR and day.
    """
    return with_rates(named(daily.reset_index(), history))


def elapsed_table(history: History, series: pd.DataFrame) -> pd.DataFrame:
    """One row per timeElapsed series of the window, with its trend (`trends.trends`).

    `days` holds the medians of its local days, `weekly_ms` the eight weekly levels, NaN where nothing ran.
    """
    rated = rated_sessions(history.sessions)
    medians = daily_medians(rated).reindex(columns=pd.to_datetime(list(history.window.days)))
    measured = elapsed(rated)
    rows = medians.reindex(measured.index).to_numpy().tolist()
    table = measured.assign(days=pd.Series(rows, index=measured.index, dtype=object)).join(series)
    return named(table.reset_index(), history)


def sessions_table(history: History) -> pd.DataFrame:
    """Every session of the window; `missing_locations` is known for those in the rates only."""
    absent = history.results.loc[history.results["outcome"].eq(MISSING), "position"].value_counts()
    sessions = history.sessions.merge(history.checks, left_on="check_pk", right_index=True)
    ids = sessions["check_session_id"]
    return sessions.assign(
        run_locations=sessions["location_set_pk"].map(_set_names(history)),
        missing_locations=sessions["position"].map(absent).fillna(0).where(sessions["in_rates"]),
        link=(sessions["link"] + "/check-sessions/" + ids).where(sessions["link"].notna(), None),
    ).sort_values("position", ignore_index=True)


def changes_table(history: History, changes: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """The changes with names and links: to the session that shows it, else to the check; by kind, time and name."""
    named_ = changes.merge(history.checks, left_on="check_pk", right_index=True, how="left")
    kinds = named_["kind"].map({kind: place for place, kind in enumerate(KINDS)})
    ordered = named_.assign(_kind=kinds, _name=named_["check_name"].fillna("")).sort_values(
        ["_kind", "since_at", "_name", "check_id", "run_locations"], ignore_index=True
    )
    return ordered.assign(link=_links(ordered, sessions)).drop(columns=["_kind", "_name"])


def incidents_table(
    history: History, incidents: pd.DataFrame, events: pd.DataFrame, sessions: pd.DataFrame
) -> pd.DataFrame:
    """Incidents of checks (`find_incidents`), then events that many checks shared (named and merged), each by time.

    kind is check, fleet or location; a link leads to an incident's newest failed session.
    """
    checks = incidents.merge(history.checks, left_on="check_pk", right_index=True, how="left")
    checks = checks.assign(_name=checks["check_name"].fillna(""))
    checks = checks.sort_values(["first_failed_at", "_name", "check_id"], ignore_index=True).drop(columns="_name")
    places = checks["location_pks"].map(lambda keys: _cell(history, keys) if isinstance(keys, list) else "")
    checks = checks.assign(kind="check", run_locations=places.astype(object), link=_links(checks, sessions))
    shared = events.rename(
        columns={"failed": "failed_checks", "first_at": "first_failed_at", "last_at": "last_failed_at"}
    )
    nothing = pd.Series(pd.NaT, index=shared.index, dtype=checks["last_good_at"].dtype)
    shared = shared.assign(last_good_at=nothing, recovered_at=nothing)
    return pd.concat([checks, shared], ignore_index=True)


def events_table(history: History, events: pd.DataFrame) -> pd.DataFrame:
    """Merged events with `run_locations`: the location's name, empty for a fleet event."""
    return events.assign(run_locations=events["run_location_pk"].map(history.run_locations).fillna("").astype(object))


def summary_table(figures: list[KeyFigure], before_from: datetime | None) -> pd.DataFrame:
    """One row per key figure; counts and ratios stand in one column, each written as what it is.

    `before_from`: the local moment at which the history begins inside of the time before; None when that is whole.
    """
    begins = None if before_from is None else before_from.isoformat(timespec="minutes")
    rows = [
        {"figure": one.name, "kind": one.kind, "now": one.now, "before": one.before}
        | {f"week_{number}": value for number, value in enumerate(one.weeks, start=1)}
        | {"before_from": begins, "now_adjusted": one.adjusted, "before_adjusted": one.before_adjusted}
        for one in figures
    ]
    return pd.DataFrame(rows)


def _links(rows: pd.DataFrame, sessions: pd.DataFrame) -> "pd.Series[Any]":
    shown = rows["position"].map(sessions.set_index("position")["link"])
    return shown.where(shown.notna(), rows["link"]).astype(object)


def named(frame: pd.DataFrame, history: History) -> pd.DataFrame:
    """The frame with the names of its keys, sorted by check name, check id, run location(s), day."""
    checks = history.checks
    places = checks.index.get_indexer(pd.Index(frame["check_pk"]))
    named = frame.assign(**{str(name): checks[name].take(places).to_numpy() for name in checks})
    order = [checks["check_order"].to_numpy()[places]]
    if "run_location_pk" in named:
        named["run_location"] = named["run_location_pk"].map(history.run_locations)
        order.append(named["run_location_pk"].map(history.run_locations.rank()).to_numpy())
    if "location_set_pk" in named:
        names = _set_names(history)
        named["run_locations"] = named["location_set_pk"].map(names)
        order.append(named["location_set_pk"].map(names.rank()).to_numpy())
    if "day" in named:
        order.append(named["day"].to_numpy())
    return named.iloc[np.lexsort(order[::-1])].reset_index(drop=True)


def _set_names(history: History) -> "pd.Series[str]":
    """A set of run locations as one cell: names in order, joined by "|"; a "|" inside a private name is doubled."""
    return history.location_sets.map(joined).astype(object)


def _cell(history: History, keys: list[int]) -> str:
    return joined(sorted(history.run_locations[key] for key in keys))


def joined(names: Iterable[str]) -> str:
    """Several run locations as one cell."""
    return "|".join(name.replace("|", "||") for name in names)
