"""Puts a report together: which tables, in which order, the folder they are written to, and the summary of it all."""

import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
from sqlalchemy import Engine

from recorder.errors import UsageError
from reports import tables
from reports.coverage import count_coverage
from reports.csv_files import csv_text
from reports.exclusions import adjust_checks, adjust_pairs, exclusions_table
from reports.headline import flakiest_first, worst_first
from reports.history import load_history
from reports.render import render_page
from reports.report import Report
from reports.selection import Selection, only
from reports.windows import Window

FORMATS: Final = ("html", "csv")
SUMMARY_ROWS: Final = 5
_WORST: Final = (
    "check_id",
    "check_name",
    "rated",
    "failed",
    "timed_out",
    "pass_rate",
    "pass_rate_low",
    "pass_rate_high",
)
_FLAKIEST: Final = ("check_id", "check_name", "run_location", "n", "flake_events", "flake_rate", "flake_rate_low")


def build_report(engine: Engine, window: Window, selection: Selection | None = None) -> Report:
    """Read the window and measure it, of the selected checks. Raises DatabaseError when the database cannot be read."""
    chosen = selection or Selection()
    history = only(load_history(engine, window), chosen)
    pairs = adjust_pairs(tables.check_location_table(history), history)
    return Report(
        window=window,
        checks=adjust_checks(tables.checks_table(history, pairs), history),
        check_location=pairs,
        locations=tables.locations_table(pairs),
        daily=tables.daily_table(history),
        elapsed=tables.elapsed_table(history),
        sessions=tables.sessions_table(history),
        exclusions=exclusions_table(history),
        check_days=tables.check_days_table(history),
        coverage=count_coverage(history),
        about=str(chosen),
    )


def write_report(report: Report, directory: Path, *, formats: Collection[str] = FORMATS) -> list[Path]:
    """Write `index.html` and the CSV files into `directory`; the paths written, the page first.

    The folder is created when it is not there; each file appears whole or not at all. Raises UsageError for an unknown
    format or a folder that cannot be written.
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise UsageError(f"unknown report format {', '.join(unknown) or '(none)'}: choose from {', '.join(FORMATS)}")
    data: dict[str, str] = {}
    if "csv" in formats:
        data = {f"{name}.csv": csv_text(getattr(report, name), columns) for name, columns in tables.COLUMNS.items()}
    page = {"index.html": render_page(report, files=list(data))} if "html" in formats else {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return [_write_whole(directory / name, content) for name, content in (page | data).items()]
    except OSError as error:
        raise UsageError(f"cannot write the report to {directory}: {error.strerror or error}") from error


def _write_whole(path: Path, content: str) -> Path:
    """Write beside the target, then rename over it: a reader sees the old file or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content.encode("utf-8"))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def summary(report: Report, files: Sequence[Path] = ()) -> dict[str, Any]:
    """The report in one JSON object: window, counts, session pass rate, the worst checks, the flakiest pairs, files.

    Ratios are numbers from 0 to 1, null where nothing is known.
    """
    window, counts = report.window, report.coverage
    return {
        "window": {
            "label": window.label,
            "timezone": window.zone.key,
            "start_local": window.start_local.isoformat(),
            "end_local": window.end_local.isoformat(),
            "start_utc": _iso(window.start),
            "end_utc": _iso(window.end),
            "hours": window.hours,
        },
        "sessions": {
            name: getattr(counts, name)
            for name in (
                *("sessions", "rated", "passed", "degraded", "failed", "timed_out", "cancelled", "unfinished"),
                *("left_out", "missing_results"),
            )
        },
        "due": {"instants": counts.due, **counts.fires},
        "session_pass_rate": counts.session_pass_rate,
        "session_pass_rate_adjusted": report.adjusted_pass_rate,
        "exclusions": len(report.exclusions),
        "checks": int(report.checks["rated"].gt(0).sum()),
        "checks_with_failures": int(report.checks["incidents"].gt(0).sum()),
        "worst_checks": _rows(worst_first(report.checks[report.checks["incidents"].gt(0)]), _WORST),
        "flakiest_pairs": _rows(flakiest_first(report.check_location), _FLAKIEST),
        "files": [str(path) for path in files],
    }


def _rows(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The first rows as plain values; what is unknown is null."""
    rows = frame[list(columns)].head(SUMMARY_ROWS).astype(object)
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in rows.to_dict(orient="records")
    ]


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
