"""Pure: the page's rows about timeElapsed, the slowest first, each with a line through its days."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from reports import charts, wording
from reports.names import check_name, short
from reports.report import Report

ROWS: Final = 250
_NAMED_LOCATIONS: Final = 2


@dataclass(frozen=True, slots=True)
class ElapsedRow:
    """One series in words; `days` says the medians that `path` draws."""

    name: str
    locations: str
    n: int
    excluded: str
    median: str
    p95: str
    path: str
    days: str


@dataclass(frozen=True, slots=True)
class ElapsedSection:
    """`moved`: checks whose set of run locations changed inside the window, so that they have several series."""

    rows: Sequence[ElapsedRow]
    hidden: int
    moved: int
    width: int


def elapsed_section(report: Report) -> ElapsedSection:
    """Every series that has a sample, at most ROWS of them."""
    series = report.elapsed[report.elapsed["n"].gt(0)]
    slowest = series.assign(_name=series["check_name"].fillna("")).sort_values(
        ["median_ms", "_name", "check_id", "run_locations"], ascending=[False, True, True, True]
    )
    return ElapsedSection(
        rows=[_row(row, report.thresholds.min_runs) for row in slowest.head(ROWS).itertuples()],
        hidden=max(0, len(slowest) - ROWS),
        moved=int(report.elapsed.groupby("check_id").size().gt(1).sum()),
        width=charts.SPARK_STEP * max(1, len(report.window.days) - 1),
    )


def _row(row: Any, min_runs: int) -> ElapsedRow:
    total = row.n + row.excluded
    return ElapsedRow(
        name=check_name(row.check_name, row.check_id).text,
        locations=_locations(row.run_locations),
        n=row.n,
        excluded=f"{row.excluded:,} of {total:,} ({wording.percent(row.excluded / total, places=1)})",
        median=wording.duration(row.median_ms),
        p95=wording.duration(row.p95_ms) if row.n >= min_runs else wording.not_enough(row.n),
        path=charts.spark_path(row.days),
        days=", ".join(wording.duration(value) for value in row.days),
    )


def _locations(joined: str) -> str:
    """One or two by name, more as a number: the CSV names them all."""
    count = joined.replace("||", "").count("|") + 1
    if not joined:
        return "no locations"
    return short(joined.replace("|", ", ")) if count <= _NAMED_LOCATIONS else f"{count} locations"
