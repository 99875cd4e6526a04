"""Pure: the page's rows about incidents of single checks and about events that many checks shared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pandas as pd

from reports import wording
from reports.names import Name, check_name, is_web_link, places_text, short
from reports.report import Report

OPEN_ROWS: Final = 12
FOLDED_ROWS: Final = 38
EVENT_ROWS: Final = 20
_WHO: Final = 2


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One unbroken row of failed sessions of a check, with what bounds it."""

    name: Name
    failed: str
    places: str
    last_good: str
    first_failed: str
    recovered: str
    lasted: str
    link: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a schedule's firings: what it was, how much it took with it, and when."""

    kind: str
    schedule: str
    what: str
    firings: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class IncidentSection:
    """Those that still fail first, then the longest; `hidden` ones stand in incidents.csv alone."""

    rows: Sequence[IncidentRow]
    more: Sequence[IncidentRow]
    hidden: int
    events: Sequence[EventRow]
    hidden_events: int


def incident_section(report: Report) -> IncidentSection:
    """The incidents of the window, and its events."""
    incidents = report.incidents[report.incidents["kind"].eq("check")]
    order = incidents.assign(_open=incidents["recovered_at"].isna()).sort_values(
        ["_open", "failed_sessions", "first_failed_at"], ascending=[False, False, True], kind="stable"
    )
    everywhere = report.check_location.groupby("check_id").size()
    shown = order.head(OPEN_ROWS + FOLDED_ROWS)
    rows = [_incident(report, row, int(everywhere.get(row.check_id, 0))) for row in shown.itertuples()]
    return IncidentSection(
        rows=rows[:OPEN_ROWS],
        more=rows[OPEN_ROWS:],
        hidden=len(order) - len(rows),
        events=[_event(report, row) for row in report.events.head(EVENT_ROWS).itertuples()],
        hidden_events=max(0, len(report.events) - EVENT_ROWS),
    )


def _incident(report: Report, row: Any, everywhere: int) -> IncidentRow:
    zone, year = report.window.zone, report.window.end_local.year
    linked = isinstance(row.link, str) and is_web_link(row.link)
    return IncidentRow(
        name=check_name(row.check_name, row.check_id),
        failed=wording.plural(int(row.failed_sessions), "session"),
        places=places_text(row.run_locations, every=everywhere) if row.run_locations else "not known",
        last_good=wording.when(row.last_good_at, zone, year=year) or "none known",
        first_failed=wording.when(row.first_failed_at, zone, year=year) or "more than a year before",
        recovered=wording.when(row.recovered_at, zone) or "still failing",
        lasted=_lasted(row),
        link=row.link if linked else None,
    )


def _lasted(row: Any) -> str:
    """At least from the first failure to the last one, at most from the good one before to the good one after."""
    if pd.isna(row.first_failed_at):
        return "more than a year"
    least = row.last_failed_at - row.first_failed_at
    seen = least >= timedelta(minutes=1)
    if pd.isna(row.last_good_at) or pd.isna(row.recovered_at):
        return f"at least {wording.lasting(least)}" if seen else "not known"
    most = wording.lasting(row.recovered_at - row.last_good_at)
    return f"{wording.lasting(least)} to {most}" if seen else f"up to {most}"


def _event(report: Report, row: Any) -> EventRow:
    zone = report.window.zone
    failed = f"{row.failed:,} of {row.checks:,} checks failed"
    where = f" at {places_text(row.run_locations)}" if row.run_locations else ""
    return EventRow(
        kind="Fleet" if row.kind == "fleet" else "Location",
        schedule=short(row.schedule) or "by hand",
        what=f"{failed}{where}",
        firings=wording.plural(int(row.firings), "firing"),
        first=wording.when(row.first_at, zone),
        last=wording.when(row.last_at, zone),
    )
