"""Pure: the flakiest checks session by session and location by location, as strips with the words beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from reports import charts, wording
from reports.names import Name, check_name, place_name
from reports.report import Report

OPEN_CHECKS: Final = 4
EVENT_ROWS: Final = 8
PLACE_ROWS: Final = 25
_WORDS: Final = {"FAIL": "failed", "RETRY": "passed after a retry", "VOID": "void", "MISSING": "missing"}


@dataclass(frozen=True, slots=True)
class PlaceStrip:
    """One run location: its cells drawn, kind by kind, and how many of them were what."""

    name: str
    paths: Sequence[tuple[str, str]]
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class CheckStrips:
    """One check; `events` says, for its newest odd sessions, when and what at which locations."""

    name: Name
    sessions: int
    span: str
    width: int
    places: Sequence[PlaceStrip]
    hidden_places: int
    events: Sequence[tuple[str, str]]
    hidden_events: int


@dataclass(frozen=True, slots=True)
class StripSection:
    """The flakiest checks, open, and those that follow them, folded."""

    checks: Sequence[CheckStrips]
    more: Sequence[CheckStrips]


def strip_section(report: Report) -> StripSection:
    """The strips of the flakiest checks, in the order of their rank."""
    drawn = report.checks[report.checks["check_id"].isin(report.session_strips["check_id"])]
    names = {row.check_id: _name(row) for row in drawn.itertuples()}
    groups = report.session_strips.groupby("check_id", sort=False)
    checks = [_check(report, names[str(check)], rows) for check, rows in groups]
    return StripSection(checks[:OPEN_CHECKS], checks[OPEN_CHECKS:])


def _name(row: Any) -> Name:
    return check_name(row.check_name, row.check_id, row.link)


def _check(report: Report, name: Name, rows: pd.DataFrame) -> CheckStrips:
    sessions = rows[["position", "started_at"]].drop_duplicates("position").sort_values("position")
    grid = rows.pivot_table(index="run_location", columns="position", values="cell", aggfunc="first").fillna("")
    odd = rows[rows["cell"].isin(list(_WORDS))]
    newest = odd["position"].drop_duplicates().sort_values(ascending=False)
    zone = report.window.zone
    return CheckStrips(
        name=name,
        sessions=len(sessions),
        span=f"{wording.when(sessions['started_at'].iloc[0], zone)} to "
        f"{wording.when(sessions['started_at'].iloc[-1], zone)}",
        width=len(sessions) * charts.STRIP_STEP,
        places=[_place(str(place), cells.tolist()) for place, cells in grid.head(PLACE_ROWS).iterrows()],
        hidden_places=max(0, len(grid) - PLACE_ROWS),
        events=[_event(report, odd[odd["position"].eq(position)]) for position in newest.head(EVENT_ROWS)],
        hidden_events=max(0, len(newest) - EVENT_ROWS),
    )


def _place(name: str, cells: Sequence[str]) -> PlaceStrip:
    paths = [(kind, charts.strip_path(cells, kind)) for kind in charts.STRIP_SHAPES if kind in cells]
    return PlaceStrip(place_name(name), paths, [cells.count(kind) for kind in ("FAIL", "RETRY", "MISSING")])


def _event(report: Report, cells: pd.DataFrame) -> tuple[str, str]:
    """When one session started, and what was odd about it, such as "failed: eu-west-1; missing: sa-east-1"."""
    first: Any = cells["started_at"].iloc[0]
    said = [
        f"{words}: {', '.join(place_name(place) for place in cells.loc[cells['cell'].eq(kind), 'run_location'])}"
        for kind, words in _WORDS.items()
        if cells["cell"].eq(kind).any()
    ]
    return wording.when(first, report.window.zone), "; ".join(said)
