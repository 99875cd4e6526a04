"""Pure: what the page cannot say for want of data: pairs that ran too seldom, series without a trend."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from reports import wording
from reports.names import check_name, place_name
from reports.report import Report
from reports.trends import FEW_SESSIONS, FEW_WEEKS

ROWS: Final = 25
NAMES: Final = 8


@dataclass(frozen=True, slots=True)
class FewSection:
    """`pairs`: check, run location and what is known of it, of the pairs that ran too seldom; `trends` in sentences.

    Pairs of checks that ran too seldom as a whole are counted in `pairs_of_few` and not listed again.
    """

    pairs: Sequence[tuple[str, str, str]]
    hidden: int
    pairs_of_few: int
    trends: Sequence[str]


def few_section(report: Report) -> FewSection:
    """The pairs below the least number of runs, those that ran most first, and the series without a verdict."""
    rare = report.checks.loc[report.checks["rated"].lt(report.thresholds.min_runs), "check_id"]
    whole = report.few_runs["check_id"].isin(rare)
    pairs = report.few_runs[~whole].sort_values("n", ascending=False, kind="stable")
    return FewSection(
        pairs=[_pair(row) for row in pairs.head(ROWS).itertuples()],
        hidden=max(0, len(pairs) - ROWS),
        pairs_of_few=int(whole.sum()),
        trends=_trends(report),
    )


def _pair(row: Any) -> tuple[str, str, str]:
    known = f"{row.passed + row.degraded}/{row.n} passed, {wording.not_enough(row.n)}" if row.n else "no result"
    return check_name(row.check_name, row.check_id).text, place_name(row.run_location), known


def _trends(report: Report) -> list[str]:
    limits, verdicts = report.thresholds, report.elapsed["verdict"]
    needed = f"{limits.level_day_sessions} measured sessions on each of {limits.level_week_days} days"
    lacking = (
        (FEW_SESSIONS, f"ran too seldom for a weekly level ({needed}), so there is no power to find a change"),
        (FEW_WEEKS, f"cannot be compared yet: fewer than {limits.level_base_weeks} weeks before this one have a level"),
    )
    sentences = []
    for verdict, why in lacking:
        rows = report.elapsed[verdicts.eq(verdict)]
        if len(rows):
            series = wording.plural(len(rows), "series", "series")
            sentences.append(f"{series} of timeElapsed {why}: {_whose(rows)}.")
    return sentences


def _whose(series: pd.DataFrame) -> str:
    """The checks of these series by name, as many as one sentence holds."""
    checks = series.drop_duplicates("check_id")
    shown = checks.head(NAMES)
    names = [
        check_name(name, check).isolated for name, check in zip(shown["check_name"], shown["check_id"], strict=True)
    ]
    others = len(checks) - len(names)
    return wording.listing(names + ([f"{others:,} more"] if others else []))
