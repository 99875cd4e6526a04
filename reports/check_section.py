"""Pure: the page's rows about checks: worst first, those without a failure, and those that ran too seldom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final

import pandas as pd

from reports import charts, wording
from reports.headline import worst_first
from reports.names import Name, check_name, short
from reports.report import Report
from reports.states import BROKEN

OPEN_ROWS: Final = 25
FOLDED_ROWS: Final = 75
"""Checks that one page lists, with a failure and again without one; all of them are in checks.csv."""
FEW_ROWS: Final = 25
STRIP_DAYS: Final = 31
"""A longer window has no room for a square per day."""
_TYPE_LENGTH: Final = 24


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check: its pass rate in words (`adjusted`: without exclusions, empty if the same) and what is beside it."""

    name: Name
    check_type: str
    state: str
    since: str
    pass_rate: str
    adjusted: str
    failed: int
    incidents: int
    split: str
    first_try: str
    strip: Sequence[charts.Square]


@dataclass(frozen=True, slots=True)
class CheckSection:
    """`failing` (the first ones open, `more` folded) and `fine` ran often enough to be ranked, `few_runs` did not.

    `hidden`, `hidden_fine` and `hidden_few` of them stand in checks.csv alone. `unrated` checks have sessions, but none
    that counts.
    """

    days: Sequence[tuple[str, int]]
    failing: Sequence[CheckRow]
    more: Sequence[CheckRow]
    hidden: int
    fine: Sequence[CheckRow]
    hidden_fine: int
    few_runs: Sequence[CheckRow]
    hidden_few: int
    unrated: int


def check_section(report: Report) -> CheckSection:
    """Every check with a rated session, the worst first, as many as one page holds."""
    days = report.window.days if len(report.window.days) <= STRIP_DAYS else []
    ordered = _broken_first(worst_first(report.checks[report.checks["rated"].gt(0)]))
    failed, enough = ordered["incidents"].gt(0), ordered["rated"].ge(report.thresholds.min_runs)
    failing, fine, few = ordered[failed & enough], ordered[~failed & enough], ordered[~enough]
    lists = [failing.head(OPEN_ROWS + FOLDED_ROWS), fine.head(FOLDED_ROWS), few.head(FEW_ROWS)]
    drawn = pd.concat(lists)
    strips = _strips(report, drawn, days)
    rows = iter([_row(report, check, strips[str(check.check_id)]) for check in drawn.itertuples()])
    shown, calm, seldom = (list(islice(rows, len(one))) for one in lists)
    return CheckSection(
        days=[(wording.DAYS[day.weekday()], day.day) for day in days],
        failing=shown[:OPEN_ROWS],
        more=shown[OPEN_ROWS:],
        hidden=len(failing) - len(shown),
        fine=calm,
        hidden_fine=max(0, len(fine) - FOLDED_ROWS),
        few_runs=seldom,
        hidden_few=max(0, len(few) - FEW_ROWS),
        unrated=int(report.checks["rated"].eq(0).sum()),
    )


def _broken_first(ordered: pd.DataFrame) -> pd.DataFrame:
    """What is broken right now leads, however well the rest of the window went."""
    return ordered.assign(_working=ordered["state"].ne(BROKEN)).sort_values(
        "_working", kind="stable", ignore_index=True
    )


def _row(report: Report, check: Any, strip: Sequence[charts.Square]) -> CheckRow:
    ok = check.passed + check.degraded
    if check.rated >= report.thresholds.min_runs:
        pass_rate = wording.pass_rate(ok, check.rated, check.pass_rate_low, check.pass_rate_high)
    else:
        pass_rate = f"{ok}/{check.rated} passed, {wording.not_enough(check.rated)}"
    return CheckRow(
        name=check_name(check.check_name, check.check_id, check.link),
        check_type=short(check.check_type, longest=_TYPE_LENGTH),
        state=check.state if isinstance(check.state, str) else "",
        since=_since(report, check),
        pass_rate=pass_rate,
        adjusted=_adjusted(check),
        failed=check.failed + check.timed_out,
        incidents=check.incidents,
        split=f"{check.split_sessions:,}" if check.shared_sessions else "",
        first_try=wording.percent(check.first_try_pass_rate),
        strip=strip,
    )


def _adjusted(check: Any) -> str:
    if check.pass_rate_adjusted == check.pass_rate:
        return ""
    return wording.fraction(check.ok_adjusted, check.n_adjusted)


def _since(report: Report, check: Any) -> str:
    """Since when it is in its state; how long it is broken is only unknown when that is longer than is looked back."""
    since = wording.when(check.state_since_at, report.window.zone, year=report.window.end_local.year)
    if since:
        return f"since {since}"
    return "for more than a year" if check.state == BROKEN else ""


def _strips(report: Report, checks: pd.DataFrame, days: Sequence[date]) -> dict[str, list[charts.Square]]:
    """A square per local day for each of these checks."""
    grid = pd.MultiIndex.from_product([checks["check_id"], pd.to_datetime(list(days))])
    counts = report.check_days.reindex(grid, fill_value=0)
    squares = [charts.square(rated, failed) for rated, failed in zip(counts["rated"], counts["fail"], strict=True)]
    width = len(days)
    return {check: squares[n * width : (n + 1) * width] for n, check in enumerate(checks["check_id"])}
