"""Pure: the page's rows about coverage: what was due, what became of it, and what did not answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from reports.coverage import FIRE_STATES
from reports.names import place_name, short
from reports.report import Report

ROWS: Final = 40
MISSING_ROWS: Final = 12
_ORIGINS: Final = {
    "manual": "by hand",
    "import": "imported",
    "backfill": "backfilled",
    "reconciled": "found by reconciliation",
}


@dataclass(frozen=True, slots=True)
class Count:
    """One line: how many, of what, and what that means."""

    label: str
    count: int
    note: str


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One schedule, or another origin of sessions; `counts` go with the section's `columns`."""

    name: str
    counts: Sequence[str]


@dataclass(frozen=True, slots=True)
class CoverageSection:
    """`sessions`: by how they ended. `columns` and `rows`: due instants and sessions. `missing`: by run location."""

    sessions: Sequence[Count]
    columns: Sequence[str]
    rows: Sequence[CoverageRow]
    hidden: int
    due: int
    missing: Sequence[tuple[str, str]]
    hidden_missing: int
    expected: int
    missing_results: int


def coverage_section(report: Report) -> CoverageSection:
    """Where the sessions came from, how they ended, and which run locations gave no result."""
    table = report.coverage_rows
    lacking = report.locations[report.locations["missing"].gt(0)].sort_values(
        ["missing", "run_location"], ascending=[False, True]
    )
    columns = [name for name in ("due", *FIRE_STATES) if int(table[name].sum())]
    return CoverageSection(
        sessions=_sessions(report) if report.coverage.sessions else [],
        columns=[name.replace("_", " ").capitalize() for name in columns],
        rows=[_row(row, columns) for row in table.head(ROWS).to_dict("records")],
        hidden=max(0, len(table) - ROWS),
        due=report.coverage.due,
        missing=[_missing(row) for row in lacking.head(MISSING_ROWS).itertuples()],
        hidden_missing=max(0, len(lacking) - MISSING_ROWS),
        expected=int(table["expected_results"].sum()),
        missing_results=int(table["missing_results"].sum()),
    )


def _missing(row: Any) -> tuple[str, str]:
    return place_name(row.run_location), f"{row.missing:,} of {row.missing + row.n + row.void:,}"


def _row(row: Any, columns: Sequence[str]) -> CoverageRow:
    name = short(row["schedule"]) or _ORIGINS.get(row["origin"], row["origin"])
    fired = row["origin"] in {"schedule", "manual"}
    counts = [f"{row[column]:,}" if fired else "" for column in columns]
    results = f"{row['missing_results']:,} of {row['expected_results']:,}" if row["expected_results"] else ""
    return CoverageRow(name, [*counts, f"{row['sessions']:,}", f"{row['rated']:,}", results])


def _sessions(report: Report) -> list[Count]:
    counts = report.coverage
    lines = [
        Count("Passed", counts.passed, ""),
        Count("Degraded", counts.degraded, "counted as passed"),
        Count("Failed", counts.failed, ""),
        Count("Timed out", counts.timed_out, "counted as failed"),
        Count("Cancelled", counts.cancelled, "not rated"),
        Count("Unfinished", counts.unfinished, "no final answer recorded, not rated"),
        Count("Left out", counts.left_out, "excluded, or found by reconciliation"),
    ]
    return [line for line in lines if line.count or line.label in {"Passed", "Failed"}]
