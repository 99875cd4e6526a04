"""Pure: the page's rows about checks: worst first, the steady ones, and those that ran too seldom to be ranked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pandas as pd

from reports import charts, wording
from reports.headline import worst_first
from reports.names import Name, check_name, short
from reports.report import Report

ROWS: Final = 500
"""Checks that one page lists; all of them are in checks.csv."""
STRIP_DAYS: Final = 31
"""A longer window has no room for a square per day."""
_TYPE_LENGTH: Final = 24


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check: its pass rate in words and what stands beside it."""

    name: Name
    check_type: str
    pass_rate: str
    failed: int
    incidents: int
    split: int
    first_try: str
    strip: Sequence[charts.Square]


@dataclass(frozen=True, slots=True)
class CheckSection:
    """`failing` and `steady` ran often enough to be ranked; `unrated` checks have sessions, but none that counts."""

    days: Sequence[tuple[str, int]]
    failing: Sequence[CheckRow]
    steady: Sequence[CheckRow]
    few_runs: Sequence[CheckRow]
    unrated: int
    hidden: int


def check_section(report: Report) -> CheckSection:
    """Every check with a rated session, at most ROWS of them, the worst first."""
    days = report.window.days if len(report.window.days) <= STRIP_DAYS else []
    ordered = worst_first(report.checks[report.checks["rated"].gt(0)])
    failed, enough = ordered["incidents"].gt(0), ordered["rated"].ge(report.thresholds.min_runs)
    parts = [ordered[failed & enough], ordered[~enough], ordered[~failed & enough]]
    shown: list[list[CheckRow]] = []
    room = ROWS
    for part in parts:
        rows = part.head(room)
        shown.append(_rows(report, rows, _strips(report, rows, days)))
        room -= len(rows)
    return CheckSection(
        days=[(wording.DAYS[day.weekday()], day.day) for day in days],
        failing=shown[0],
        few_runs=shown[1],
        steady=shown[2],
        unrated=int(report.checks["rated"].eq(0).sum()),
        hidden=len(ordered) - sum(map(len, shown)),
    )


def _rows(report: Report, checks: pd.DataFrame, strips: dict[str, list[charts.Square]]) -> list[CheckRow]:
    least = report.thresholds.min_runs
    return [_row(check, strips[str(check.check_id)], least) for check in checks.itertuples()]


def _row(check: Any, strip: Sequence[charts.Square], min_runs: int) -> CheckRow:
    ok = check.passed + check.degraded
    if check.rated >= min_runs:
        pass_rate = wording.pass_rate(ok, check.rated, check.pass_rate_low, check.pass_rate_high)
    else:
        pass_rate = f"{ok}/{check.rated} passed, {wording.not_enough(check.rated)}"
    return CheckRow(
        name=check_name(check.check_name, check.check_id, check.link),
        check_type=short(check.check_type, longest=_TYPE_LENGTH),
        pass_rate=pass_rate,
        failed=check.failed + check.timed_out,
        incidents=check.incidents,
        split=check.split_sessions,
        first_try=wording.percent(check.first_try_pass_rate),
        strip=strip,
    )


def _strips(report: Report, checks: pd.DataFrame, days: Sequence[date]) -> dict[str, list[charts.Square]]:
    """A square per local day for each of these checks."""
    grid = pd.MultiIndex.from_product([checks["check_id"], pd.to_datetime(list(days))])
    counts = report.check_days.reindex(grid, fill_value=0)
    squares = [charts.square(rated, failed) for rated, failed in zip(counts["rated"], counts["fail"], strict=True)]
    width = len(days)
    return {check: squares[n * width : (n + 1) * width] for n, check in enumerate(checks["check_id"])}
