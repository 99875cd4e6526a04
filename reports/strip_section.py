"""Pure: the flakiest checks session by session and location by location, as strips with the words beside them."""

from collections.abc import Mapping, Sequence
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
    """One check; `events` says, for its newest odd sessions, when and what at which locations.

    `retries_seen`: whether a try was ever repeated; else 0 passed after a retry would say more than is known.
    """

    name: Name
    sessions: int
    span: str
    width: int
    retries_seen: bool
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
    known = {row.check_id: row for row in drawn.itertuples()}
    groups = report.session_strips.groupby("check_id", sort=False)
    checks = [_check(report, known[str(check)], rows) for check, rows in groups]
    return StripSection(checks[:OPEN_CHECKS], checks[OPEN_CHECKS:])


def _check(report: Report, check: Any, rows: pd.DataFrame) -> CheckStrips:
    """`check` is its row of the checks, `rows` stand location by location, each in the order of time."""
    zone = report.window.zone
    started = dict(zip(rows["position"].tolist(), rows["started_at"], strict=True))
    order = {position: place for place, position in enumerate(sorted(started))}
    lines: dict[str, list[str]] = {}
    odd: dict[int, dict[str, list[str]]] = {}
    for place, position, cell in zip(rows["run_location"], rows["position"].tolist(), rows["cell"], strict=True):
        lines.setdefault(place, [""] * len(order))[order[position]] = cell
        if cell in _WORDS:
            odd.setdefault(position, {}).setdefault(cell, []).append(place)
    newest = sorted(odd, reverse=True)
    return CheckStrips(
        name=check_name(check.check_name, check.check_id, check.link),
        sessions=len(order),
        span=f"{wording.when(started[min(order)], zone)} to {wording.when(started[max(order)], zone)}",
        width=len(order) * charts.STRIP_STEP,
        retries_seen=bool(check.retries_seen),
        places=[_place(place, lines[place]) for place in sorted(lines)[:PLACE_ROWS]],
        hidden_places=max(0, len(lines) - PLACE_ROWS),
        events=[(wording.when(started[position], zone), _said(odd[position])) for position in newest[:EVENT_ROWS]],
        hidden_events=max(0, len(newest) - EVENT_ROWS),
    )


def _place(name: str, cells: Sequence[str]) -> PlaceStrip:
    paths = [(kind, charts.strip_path(cells, kind)) for kind in charts.STRIP_SHAPES if kind in cells]
    return PlaceStrip(place_name(name), paths, [cells.count(kind) for kind in ("FAIL", "RETRY", "MISSING")])


def _said(odd: Mapping[str, Sequence[str]]) -> str:
    """What was odd about a session (run locations by kind of cell): "failed: eu-west-1; missing: sa-east-1"."""
    said = [(words, odd[kind]) for kind, words in _WORDS.items() if kind in odd]
    return "; ".join(f"{words}: {', '.join(place_name(place) for place in places)}" for words, places in said)
