"""Pure: the key figures: now, the time before, and a line through eight weeks where they are known."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Final

from reports import charts, wording
from reports.key_figures import COUNT, RATIO, KeyFigure
from reports.report import Report
from reports.standing import begun

_WEEK_DAYS: Final = 7
_LABELS: Final[Mapping[str, str]] = {
    "session_pass_rate": "Sessions passed",
    "first_try_pass_rate": "Passed at the first try",
    "sessions_failed": "Failed sessions",
    "checks_failed": "Checks that failed",
    "incidents": "Incidents",
    "flake_events": "Flake events",
    "sessions_rated": "Rated sessions",
    "checks_run": "Checks that ran",
    "results": "Results",
    "flake_rate": "Flake rate",
    "retry_passes": "Passed after a retry",
    "missing_results": "Missing results",
    "broken_pairs": "Broken pairs of check and location",
    "flaky_pairs": "Flaky pairs of check and location",
}
CARDS: Final = (
    "session_pass_rate",
    "first_try_pass_rate",
    "sessions_failed",
    "checks_failed",
    "incidents",
    "flake_events",
)
"""The figures of the first screen; the table below them has all."""
_FLOORS: Final = (0.95, 0.9, 0.5, 0.0)


@dataclass(frozen=True, slots=True)
class Card:
    """One figure of the first screen; `path` draws its weeks above `floor`, empty when fewer than two are known.

    `adjusted` and `before_adjusted`, here and in the table: without exclusions, empty if the same.
    """

    label: str
    value: str
    note: str
    adjusted: str
    before: str
    before_adjusted: str
    path: str
    floor: str
    words: str


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure with all its weeks, as the table shows it."""

    label: str
    now: str
    adjusted: str
    before: str
    before_adjusted: str
    weeks: Sequence[str]


@dataclass(frozen=True, slots=True)
class FigureSection:
    """`before` says what the time before is called."""

    cards: Sequence[Card]
    rows: Sequence[FigureRow]
    before: str
    width: int


def figure_section(report: Report) -> FigureSection:
    """The key figures, when anything was rated."""
    if not report.coverage.rated:
        return FigureSection([], [], "", 0)
    figures = {one.name: one for one in report.key_figures}
    before, notes = time_before(report), _notes(figures)
    weeks = max(len(one.weeks) for one in figures.values())
    return FigureSection(
        cards=[_card(figures[name], notes[name], before) for name in CARDS],
        rows=[_row(figures[name]) for name in _LABELS],
        before=before,
        width=charts.SPARK_STEP * (weeks - 1),
    )


def time_before(report: Report) -> str:
    """What the span that the window is compared with is called, and from when on there is anything of it."""
    name = _length_before(report)
    first = report.before_from
    return name if first is None else f"{name} (from {begun(report.before, first)} on)"


def _length_before(report: Report) -> str:
    """In whole days, or in hours when the window is not cut at midnights; then both, for they are not equally long."""
    window, before = report.window, report.before
    if window.start_local.time() == window.end_local.time() == time():
        days = len(before.days)
        return "week before" if days == _WEEK_DAYS else f"{wording.plural(days, 'day')} before"
    then, now = (f"{round(span.hours, 1):g}" for span in (before, window))
    return f"{then} hours before" if then == now else f"{then} hours before the {now} of this window"


def _notes(figures: Mapping[str, KeyFigure]) -> dict[str, str]:
    """The line of context under each card's figure."""
    now = {name: one.now for name, one in figures.items()}
    rated, failed = now["sessions_rated"], now["sessions_failed"]
    return {
        "session_pass_rate": f"{rated - failed:,.0f} of {rated:,.0f} rated",
        "first_try_pass_rate": f"of {rated:,.0f} rated",
        "sessions_failed": f"of {rated:,.0f} rated",
        "checks_failed": f"of {now['checks_run']:,.0f} that ran",
        "incidents": "unbroken rows of failed sessions",
        "flake_events": f"of {_count(now['results'])} results",
    }


def adjusted_figures(report: Report) -> list[tuple[str, list[str]]]:
    """Of each figure that an exclusion changes: its name; now as recorded and without them, and the same two before."""
    said = [
        (
            _LABELS[one.name],
            [_SAY[one.kind](value) for value in (one.now, one.adjusted, one.before, one.before_adjusted)],
        )
        for one in report.key_figures
    ]
    return [(name, row) for name, row in said if row[0] != row[1] or row[2] != row[3]]


def _card(figure: KeyFigure, note: str, before: str) -> Card:
    say = _SAY[figure.kind]
    now, then = say(figure.now), say(figure.before)
    known = [value for value in figure.weeks if not math.isnan(value)]
    floor = _floor(known) if figure.kind == RATIO and known else 0.0
    top = 1.0 if figure.kind == RATIO else None
    return Card(
        label=_LABELS[figure.name],
        value=now,
        note=note,
        adjusted=wording.other(say(figure.adjusted), now),
        before=f"{before}: {then}",
        before_adjusted=wording.other(say(figure.before_adjusted), then),
        path=charts.spark_path(figure.weeks, floor=floor, top=top) if len(known) > 1 else "",
        floor=f"{_weeks(figure.weeks, len(known))}, from {f'{floor * 100:.0f} %' if floor else '0'}",
        words=", ".join(map(say, figure.weeks)),
    )


def _weeks(weeks: Sequence[float], known: int) -> str:
    return f"{len(weeks)} weeks" if known == len(weeks) else f"{known} of {len(weeks)} weeks"


def _floor(values: Sequence[float]) -> float:
    """Where the line of a rate starts, so that both a small change and its size can be seen; printed beside it."""
    return next(floor for floor in _FLOORS if min(values) >= floor)


def _row(figure: KeyFigure) -> FigureRow:
    say = _SAY[figure.kind]
    now, before = say(figure.now), say(figure.before)
    return FigureRow(
        label=_LABELS[figure.name],
        now=now,
        adjusted=wording.other(say(figure.adjusted), now),
        before=before,
        before_adjusted=wording.other(say(figure.before_adjusted), before),
        weeks=[say(value) for value in figure.weeks],
    )


def _count(value: float) -> str:
    return wording.UNKNOWN if math.isnan(value) else f"{value:,.0f}"


def _ratio(value: float) -> str:
    return wording.UNKNOWN if math.isnan(value) else wording.percent(value)


_SAY: Final[Mapping[str, Callable[[float], str]]] = {COUNT: _count, RATIO: _ratio}
