"""Pure: says a report in words and rows, ready for the template to set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reports import wording
from reports.check_section import CheckSection, check_section
from reports.elapsed_section import ElapsedSection, elapsed_section
from reports.exclusion_section import ExclusionSection, exclusion_section
from reports.flaky_section import FlakySection, flaky_section
from reports.headline import headline, moment, title, window_lines
from reports.names import short
from reports.report import Report

_LONGEST_ABOUT: Final = 1000


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the first screen: what it is, the figure, a line of context."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Count:
    """One line of the coverage: how many, of what, and what that means."""

    label: str
    count: int
    note: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the template sets, in the order of the page."""

    title: str
    local: str
    utc: str
    recorded: str
    about: str
    sentences: Sequence[str]
    figures: Sequence[Figure]
    sessions: Sequence[Count]
    fires: Sequence[Count]
    due: int
    by_hand: int
    checks: CheckSection
    flaky: FlakySection
    elapsed: ElapsedSection
    exclusions: ExclusionSection


def describe(report: Report) -> Page:
    """The page of a report."""
    local, utc = window_lines(report.window)
    return Page(
        title=title(report.window),
        local=local,
        utc=utc,
        recorded=_recorded(report),
        about=short(report.about, longest=_LONGEST_ABOUT),
        sentences=headline(report),
        figures=_figures(report) if report.coverage.rated else [],
        sessions=_sessions(report) if report.coverage.sessions else [],
        fires=_fires(report),
        due=report.coverage.due,
        by_hand=report.coverage.by_hand,
        checks=check_section(report),
        flaky=flaky_section(report),
        elapsed=elapsed_section(report),
        exclusions=exclusion_section(report),
    )


def _recorded(report: Report) -> str:
    counts, zone = report.coverage, report.window.zone
    if counts.first_session_at is None or counts.last_session_at is None:
        return "no session"
    first, last = counts.first_session_at.astimezone(zone), counts.last_session_at.astimezone(zone)
    return f"{wording.plural(counts.sessions, 'session')}, the first {moment(first)}, the last {moment(last)}"


def _figures(report: Report) -> list[Figure]:
    counts, pairs = report.coverage, report.check_location
    checks = report.checks[report.checks["rated"].gt(0)]
    events, n = int(pairs["flake_events"].sum()), int(pairs["n"].sum())
    ok, failed = counts.passed + counts.degraded, counts.failed + counts.timed_out
    return [
        Figure("Sessions passed", wording.percent(ok / counts.rated), f"{ok:,} of {counts.rated:,} rated"),
        Figure("Checks that failed", f"{int(checks['incidents'].gt(0).sum()):,}", f"of {len(checks):,} that ran"),
        Figure("Incidents", f"{int(checks['incidents'].sum()):,}", f"{wording.plural(failed, 'failed session')}"),
        Figure("Flake events", f"{events:,}", f"of {wording.plural(n, 'result')}"),
        Figure("Passed after a retry", f"{int(pairs['retry_pass'].sum()):,}", _retries_note(report)),
        Figure("Missing results", f"{counts.missing_results:,}", "run locations without an answer"),
    ]


def _retries_note(report: Report) -> str:
    return "results" if bool(report.sessions["has_attempts"].any()) else "retries not seen"


def _sessions(report: Report) -> list[Count]:
    counts = report.coverage
    return [
        Count("Passed", counts.passed, ""),
        Count("Degraded", counts.degraded, "counted as passed"),
        Count("Failed", counts.failed, ""),
        Count("Timed out", counts.timed_out, "counted as failed"),
        Count("Cancelled", counts.cancelled, "not rated"),
        Count("Unfinished", counts.unfinished, "no final answer recorded, not rated"),
        Count("Left out", counts.left_out, "excluded, or found by reconciliation"),
    ]


def _fires(report: Report) -> list[Count]:
    notes = {
        "triggered": "sessions started",
        "no_match": "no check matched",
        "rejected": "Checkly refused",
        "ambiguous": "sent, but the answer is unknown",
        "missed": "not sent in time",
        "skipped": "left out on purpose",
        "pending": "still on its way",
    }
    return [
        Count(state.replace("_", " ").capitalize(), report.coverage.fires[state], note) for state, note in notes.items()
    ]
