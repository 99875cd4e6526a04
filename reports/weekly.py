"""Puts a report together: which tables, in which order, the folder they are written to, and the summary of it all."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
from sqlalchemy import Engine

from recorder.errors import UsageError
from reports import strips, tables
from reports.beginning import first_moments, part_from
from reports.changes import find_changes
from reports.check_states import check_states, session_states
from reports.columns import COLUMNS
from reports.coverage import count_coverage, coverage_table
from reports.csv_files import csv_text, ratio_text
from reports.events import events_among, find_events, merge_events
from reports.exclusions import (
    adjust_checks,
    adjust_daily,
    adjust_elapsed,
    adjust_locations,
    adjust_pairs,
    exclusions_table,
    without_excluded,
)
from reports.frames import PAIR, History, silent_after, within, within_ordered
from reports.headline import flakiest_first, worst_first
from reports.history import load_history
from reports.incidents import find_incidents
from reports.key_figures import KeyFigure, figures_of, key_figures
from reports.manifest import iso, manifest_text, window_json
from reports.pairs import Pairs, compare_pairs, describe_pairs, measure_pairs
from reports.pass_rate import add_days, count_results
from reports.render import render_page
from reports.report import Report
from reports.selection import ALL, Selection, only
from reports.thresholds import DEFAULTS, Thresholds
from reports.trends import trends
from reports.weekly_results import weekly_results
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
_CHANGES: Final = (
    "kind",
    "check_id",
    "check_name",
    "run_locations",
    "since_at",
    "measure",
    *("before", "now", "change"),
)
_FLAKIEST: Final = ("check_id", "check_name", "run_location", "n", "flake_events", "flake_rate", "flake_rate_low")


def build_report(
    engine: Engine, window: Window, thresholds: Thresholds = DEFAULTS, selection: Selection = ALL
) -> Report:
    """Read the window and measure it, of the selected checks. Raises DatabaseError when the database cannot be read."""
    return measure(load_history(engine, window, selection), thresholds, selection)


def measure(history: History, thresholds: Thresholds = DEFAULTS, selection: Selection = ALL) -> Report:
    """Every measure of a report, from the frames alone.

    What checks shared in a firing is found among all of them: a selection must not make a flake of an outage.
    """
    events = find_events(history.weeks_sessions, history.weeks, thresholds)
    if selection:
        history = only(history, selection)
        events = events_among(events, history.weeks)
    recorded = _measured(history, events, thresholds)
    spans = (recorded.now, recorded.before)
    pairs = tables.check_location_table(history, compare_pairs(spans, history, events, thresholds))
    own = session_states(history, thresholds)
    series = trends(history, thresholds)
    sessions = tables.sessions_table(history)
    shared = tables.events_table(history, merge_events(within(events, history.window), history.firings))
    changes = find_changes(history, pairs, own, tables.named(series.reset_index(), history), thresholds)
    incidents = find_incidents(history.session_sequence, history.recent, history.window, history.check_beginnings)
    weeks = weekly_results(history, events, thresholds)
    firsts = first_moments(history)
    left = None if history.exclusions.empty else _measured(without_excluded(history), events, thresholds)
    left_pairs = describe_pairs(left.now, thresholds) if left else None
    left_daily, left_history = (left.daily, left.history) if left else (None, None)
    figures = key_figures(history, spans, weeks, firsts, left.figures if left else None, thresholds=thresholds)
    before_from = part_from(firsts, history.before, thresholds)
    return Report(
        window=history.window,
        before=history.before,
        thresholds=thresholds,
        key_figures=figures,
        checks=adjust_checks(tables.checks_table(history, pairs, check_states(pairs, own)), left_history),
        check_location=adjust_pairs(pairs, left_pairs),
        locations=adjust_locations(tables.locations_table(pairs, shared), pairs, left_pairs),
        daily=adjust_daily(tables.daily_table(history, recorded.daily), left_daily),
        elapsed=adjust_elapsed(tables.elapsed_table(history, series), left_history),
        sessions=sessions,
        summary=tables.summary_table(figures, before_from),
        changes=tables.changes_table(history, changes, sessions),
        incidents=tables.incidents_table(history, incidents, shared, sessions),
        events=shared,
        coverage_rows=coverage_table(history),
        exclusions=exclusions_table(history),
        check_days=strips.check_days(history),
        session_strips=strips.session_strips(history, pairs),
        failures_by_hour=strips.failures_by_hour(history),
        coverage=count_coverage(history),
        window_from=part_from(firsts, history.window, thresholds),
        before_from=before_from,
        silent_after=silent_after(history),
        about=str(selection),
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """A history with the counts of its days and its pairs in the window and in the time before."""

    history: History
    daily: pd.DataFrame
    now: Pairs
    before: Pairs

    @property
    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """The key figures of the window and of the time before."""
        history = self.history
        return figures_of(history, history.window, self.now), figures_of(history, history.before, self.before)


def _measured(history: History, events: pd.DataFrame, thresholds: Thresholds) -> _Measured:
    daily = count_results(history.results, [*PAIR, "day"])
    earlier = count_results(within_ordered(history.recent, history.before), PAIR)
    return _Measured(
        history=history,
        daily=daily,
        now=measure_pairs(history, history.window, add_days(daily), events, thresholds),
        before=measure_pairs(history, history.before, earlier, events, thresholds),
    )


def write_report(report: Report, directory: Path, *, formats: Collection[str] = FORMATS) -> list[Path]:
    """Write `index.html`, the CSV files and their manifest into `directory`; the paths written, the page first.

    The folder is created when it is not there; each file appears whole or not at all. Raises UsageError for an unknown
    format or a folder that cannot be written.
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise UsageError(f"unknown report format {', '.join(unknown) or '(none)'}: choose from {', '.join(FORMATS)}")
    data: dict[str, str] = {}
    if "csv" in formats:
        data = {f"{name}.csv": csv_text(report.table(name), columns) for name, columns in COLUMNS.items()}
    page = {"index.html": render_page(report, files=list(data))} if "html" in formats else {}
    if data:
        data["manifest.json"] = manifest_text(report, page | data)
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
        "window": window_json(window),
        "compared_with": window_json(report.before) | {"recorded_from": _plain(report.before_from)},
        "sessions": {
            name: getattr(counts, name)
            for name in (
                *("sessions", "rated", "passed", "degraded", "failed", "timed_out", "cancelled", "unfinished"),
                *("left_out", "missing_results"),
            )
        },
        "due": {"instants": counts.due, **counts.fires},
        "session_pass_rate": _plain(counts.session_pass_rate),
        "session_pass_rate_adjusted": _plain(report.adjusted_pass_rate),
        "exclusions": int(report.exclusions["reaches_into"].ne("before").sum()),
        "checks": int(report.checks["rated"].gt(0).sum()),
        "checks_with_failures": int(report.checks["incidents"].gt(0).sum()),
        "key_figures": {one.name: _key_figure(one) for one in report.key_figures},
        "changes": _rows(report.changes, _CHANGES),
        "changes_found": len(report.changes),
        "worst_checks": _rows(worst_first(report.checks[report.checks["incidents"].gt(0)]), _WORST),
        "flakiest_pairs": _rows(flakiest_first(report.check_location), _FLAKIEST),
        "files": [str(path) for path in files],
    }


def _key_figure(figure: KeyFigure) -> dict[str, Any]:
    return {
        "kind": figure.kind,
        "now": _plain(figure.now),
        "before": _plain(figure.before),
        "adjusted": _plain(figure.adjusted),
        "before_adjusted": _plain(figure.before_adjusted),
        "weeks": [_plain(value) for value in figure.weeks],
    }


def _rows(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The first rows as plain values; what is unknown is null."""
    rows = frame[list(columns)].head(SUMMARY_ROWS).astype(object)
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows.to_dict(orient="records")]


def _plain(value: Any) -> Any:
    """As JSON has it: what is unknown is null, an instant is text; a local time has no offset.

    6 places, as in the files: sums in another order, on another database, differ after the fifteenth.
    """
    if pd.isna(value):
        return None
    if isinstance(value, float):
        return float(ratio_text(value))
    if isinstance(value, datetime):
        return iso(value) if value.tzinfo else value.isoformat(timespec="minutes")
    return value
