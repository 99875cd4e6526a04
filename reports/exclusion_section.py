"""Pure: what was excluded, by whom and why, and what the figures are without it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from reports import wording
from reports.figure_section import adjusted_figures, time_before
from reports.headline import moment
from reports.names import Name, check_name, short
from reports.report import Report

_MOST_CHECKS: Final = 20
_LONGEST_REASON: Final = 240
_LONGEST_WHO: Final = 60


@dataclass(frozen=True, slots=True)
class ExcludedSpan:
    """One exclusion in words, its times on the clocks of the report's zone.

    `only_before`: it reaches into the time before, and not into the window. `sessions` and `results`: how many rated
    ones it covers of the window, and of the time before.
    """

    number: int
    start: str
    end: str
    check: Name | None
    location: str | None
    reason: str
    who: str
    only_before: bool
    sessions: tuple[int, int]
    results: tuple[int, int]


@dataclass(frozen=True, slots=True)
class AdjustedCheck:
    """A check with excluded sessions: its pass rate as recorded, and without them."""

    name: Name
    recorded: str
    adjusted: str


@dataclass(frozen=True, slots=True)
class ExclusionSection:
    """The exclusions and all that they change; empty when nothing is excluded.

    `reach_before`: one of them reaches into the time before, which `before` names.
    """

    rows: Sequence[ExcludedSpan]
    reach_before: bool
    before: str
    recorded: str
    adjusted: str
    figures: Sequence[tuple[str, Sequence[str]]]
    """Each key figure that they change: its name, as recorded, without them, and the same two of the time before."""
    checks: Sequence[AdjustedCheck]
    hidden_checks: int


def exclusion_section(report: Report) -> ExclusionSection:
    """The section of a report."""
    checks = report.checks
    changed = checks[checks["n_adjusted"].ne(checks["rated"])]
    ok, rated = int((checks["passed"] + checks["degraded"]).sum()), int(checks["rated"].sum())
    return ExclusionSection(
        rows=[_span(row, report) for row in report.exclusions.itertuples()],
        reach_before=bool(report.exclusions["reaches_into"].ne("window").any()),
        before=time_before(report),
        recorded=wording.fraction(ok, rated),
        adjusted=wording.fraction(int(checks["ok_adjusted"].sum()), int(checks["n_adjusted"].sum())),
        figures=adjusted_figures(report),
        checks=[_check(row) for row in changed.head(_MOST_CHECKS).itertuples()],
        hidden_checks=max(0, len(changed) - _MOST_CHECKS),
    )


def _span(row: Any, report: Report) -> ExcludedSpan:
    zone = report.window.zone
    return ExcludedSpan(
        number=row.exclusion_id,
        start=moment(row.starts_at.astimezone(zone)),
        end=moment(row.ends_at.astimezone(zone)),
        check=None if pd.isna(row.check_pk) else check_name(row.check_name, str(row.check_id)),
        location=None if pd.isna(row.run_location_pk) else short(row.run_location),
        reason=short(row.reason, longest=_LONGEST_REASON),
        who=short(row.created_by, longest=_LONGEST_WHO),
        only_before=row.reaches_into == "before",
        sessions=(row.sessions, row.sessions_before),
        results=(row.results, row.results_before),
    )


def _check(row: Any) -> AdjustedCheck:
    return AdjustedCheck(
        name=check_name(row.check_name, row.check_id, row.link),
        recorded=wording.fraction(row.passed + row.degraded, row.rated),
        adjusted=wording.fraction(row.ok_adjusted, row.n_adjusted),
    )
