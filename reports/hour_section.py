"""Pure: when sessions failed: a row per weekday, a cell per hour of the local clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reports import charts, wording
from reports.report import Report

HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class HourCell:
    """Failed sessions of one hour; `level` shades their share, -1 when nothing ran."""

    text: str
    level: int


@dataclass(frozen=True, slots=True)
class HourSection:
    """`rows`: weekday, cells, and the failed and rated sessions of the day in words. `busiest` names the worst hour."""

    rows: Sequence[tuple[str, Sequence[HourCell], str]]
    failed: int
    busiest: str


def hour_section(report: Report) -> HourSection:
    """Failures by weekday and hour of the report's zone."""
    grid = report.failures_by_hour
    failed, rated = grid["failed"].tolist(), grid["rated"].tolist()
    days = range(0, len(failed), HOURS)
    rows = [
        (
            wording.DAYS[start // HOURS],
            [_cell(failed[place], rated[place]) for place in range(start, start + HOURS)],
            _total(sum(failed[start : start + HOURS]), sum(rated[start : start + HOURS])),
        )
        for start in days
    ]
    return HourSection(rows=rows, failed=sum(failed), busiest=_busiest(failed, rated))


def _cell(failed: int, rated: int) -> HourCell:
    """A cell without a session is a dot, never a success."""
    return HourCell(f"{failed:,}", charts.heat_level(failed / rated)) if rated else HourCell("·", -1)


def _total(failed: int, rated: int) -> str:
    return f"{failed:,} of {rated:,}" if rated else "no session"


def _busiest(failed: Sequence[int], rated: Sequence[int]) -> str:
    """The hour with most failures, when there is one such hour."""
    most = max(failed, default=0)
    if most == 0 or failed.count(most) > 1:
        return ""
    place = failed.index(most)
    hour = place % HOURS
    return (
        f"Most failed on {wording.DAYS[place // HOURS]} from {hour:02}:00 to {hour + 1:02}:00: "
        f"{most:,} of {wording.plural(rated[place], 'session')}."
    )
