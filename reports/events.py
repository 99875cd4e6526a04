"""Pure: fleet and location events: failures that many checks shared in one firing say nothing about a single check."""

from typing import Any

import numpy as np
import pandas as pd

from recorder.outcomes import Outcome
from reports.frames import rated, slots
from reports.intervals import ratio
from reports.thresholds import DEFAULTS, Thresholds

_NO_LOCATION = 0


def find_events(sessions: pd.DataFrame, results: pd.DataFrame, thresholds: Thresholds = DEFAULTS) -> pd.DataFrame:
    """One row per firing, and run location, in which many checks failed at once.

    A firing of at least `event_checks` checks is a `fleet` event when `fleet_share` of its sessions failed (then
    run_location_pk is 0), and a `location` event at each location where `location_share` of its checks failed. Beside a
    fleet event locations are named unless each of them is one: a bad location fails whole sessions, and the outage of
    one place would have none.
    Sessions without a firing (imported, found later) belong to none. Columns: fire_pk, run_location_pk, kind, checks,
    failed, started_at; in the order of time.
    """
    fired = sessions[sessions["rated"] & sessions["fire_pk"].ne(0)].assign(run_location_pk=_NO_LOCATION)
    fleet = _shared(fired, thresholds.event_checks, thresholds.fleet_share).assign(kind="fleet")
    failed = results.loc[results["outcome"].eq(Outcome.FAIL), "fire_pk"]
    finals = rated(results[results["fire_pk"].isin(failed[failed.ne(0)].unique())])
    local = _shared(finals, thresholds.event_checks, thresholds.location_share)
    places, hit = _places(finals, fleet), _places(local, fleet)
    local = local[~local["fire_pk"].isin(hit.index[hit.eq(places.reindex(hit.index))])]
    events = pd.concat([fleet, local.assign(kind="location")], ignore_index=True)
    return events.sort_values(["started_at", "fire_pk", "run_location_pk"], ignore_index=True)


def _places(rows: pd.DataFrame, fleet: pd.DataFrame) -> "pd.Series[int]":
    """At how many run locations the rows of each fleet event's firing (the index) are."""
    return rows[rows["fire_pk"].isin(fleet["fire_pk"])].groupby("fire_pk")["run_location_pk"].nunique()


def _shared(rows: pd.DataFrame, least: int, share: float) -> pd.DataFrame:
    """The firings, and run locations, of which at least so many checks, and this share of them, failed."""
    failed = rows["fire_pk"].isin(rows.loc[rows["fail"], "fire_pk"].unique())
    groups = rows[failed].groupby(["fire_pk", "run_location_pk"])
    counts = pd.DataFrame(
        {
            "checks": groups["check_pk"].nunique(),
            "failed": groups["fail"].sum(),
            "started_at": groups["started_at"].min(),
        }
    )
    many = counts["failed"].gt(0) & counts["checks"].ge(least) & (ratio(counts["failed"], counts["checks"]) >= share)
    return counts[many].reset_index()


def is_in_event(results: pd.DataFrame, events: pd.DataFrame) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Whether each result belongs to a fleet event's firing, or to a location event's firing and location."""
    fleet = events.loc[events["kind"].eq("fleet"), "fire_pk"]
    local = events[events["kind"].eq("location")]
    here, there = (slots(rows, "fire_pk", "run_location_pk") for rows in (results, local))
    return np.isin(results["fire_pk"].to_numpy(), fleet.to_numpy()) | np.isin(here, there)


def events_among(events: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """The events whose firing, and for a location event whose run location too, is one of these results'."""
    fleet = events["kind"].eq("fleet") & events["fire_pk"].isin(results["fire_pk"])
    here, there = (slots(rows, "fire_pk", "run_location_pk") for rows in (events, results))
    return events[fleet | np.isin(here, there)].reset_index(drop=True)


def merge_events(events: pd.DataFrame, firings: pd.DataFrame) -> pd.DataFrame:
    """Events of neighbouring firings of one schedule, of the same kind and at the same place, as one row.

    `firings` as in `History`. Columns: schedule, kind, run_location_pk, firings, checks and failed (of the worst
    firing), first_at, last_at; in the order of time.
    """
    keyed = events.merge(firings, left_on="fire_pk", right_index=True).sort_values(
        ["schedule", "kind", "run_location_pk", "place"]
    )
    new = keyed["place"].diff().ne(1)
    for column in ("schedule", "kind", "run_location_pk"):
        new |= keyed[column].ne(keyed[column].shift())
    merged = keyed.sort_values("failed", ascending=False, kind="stable").groupby(new.cumsum().rename("event"))
    worst = merged[["schedule", "kind", "run_location_pk", "checks", "failed"]].first()
    started = merged["started_at"]
    table = worst.assign(firings=merged.size(), first_at=started.min(), last_at=started.max())
    return table.sort_values(["first_at", "schedule", "kind", "run_location_pk"], ignore_index=True)
