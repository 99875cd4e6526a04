"""Pure: says a report in words and rows, ready for the template to set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reports import wording
from reports.change_section import ChangeSection, change_section
from reports.check_section import CheckSection, check_section
from reports.coverage_section import CoverageSection, coverage_section
from reports.definition_section import threshold_rows
from reports.elapsed_section import ElapsedSection, elapsed_section
from reports.exclusion_section import ExclusionSection, exclusion_section
from reports.few_section import FewSection, few_section
from reports.figure_section import FigureSection, figure_section
from reports.flaky_section import FlakySection, flaky_section
from reports.headline import headline, moment, title, window_lines
from reports.hour_section import HourSection, hour_section
from reports.incident_section import IncidentSection, incident_section
from reports.names import short
from reports.report import Report
from reports.strip_section import StripSection, strip_section

_LONGEST_ABOUT: Final = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the template sets, in the order of the page; `rated` says whether there is anything to rate."""

    title: str
    local: str
    utc: str
    zone: str
    recorded: str
    about: str
    results: str
    last: str
    sentences: Sequence[str]
    rated: int
    changes: ChangeSection
    figures: FigureSection
    coverage: CoverageSection
    checks: CheckSection
    flaky: FlakySection
    strips: StripSection
    elapsed: ElapsedSection
    exclusions: ExclusionSection
    incidents: IncidentSection
    hours: HourSection
    few: FewSection
    thresholds: Sequence[tuple[str, str, str]]


def describe(report: Report) -> Page:
    """The page of a report."""
    local, utc = window_lines(report.window)
    return Page(
        title=title(report.window),
        local=local,
        utc=utc,
        zone=report.window.zone.key,
        recorded=_recorded(report),
        about=short(report.about, longest=_LONGEST_ABOUT),
        results=_results(report),
        last=_last(report),
        sentences=headline(report),
        rated=report.coverage.rated,
        changes=change_section(report),
        figures=figure_section(report),
        coverage=coverage_section(report),
        checks=check_section(report),
        flaky=flaky_section(report),
        strips=strip_section(report),
        elapsed=elapsed_section(report),
        exclusions=exclusion_section(report),
        incidents=incident_section(report),
        hours=hour_section(report),
        few=few_section(report),
        thresholds=threshold_rows(report.thresholds),
    )


def _recorded(report: Report) -> str:
    counts = report.coverage
    if not counts.sessions:
        return "no session"
    due = f", {wording.plural(counts.due, 'due instant')}" if counts.due else ""
    return f"{wording.plural(counts.sessions, 'session')} of {wording.plural(len(report.checks), 'check')}{due}"


def _results(report: Report) -> str:
    """Recorded, expected and missing results of the sessions in the rates."""
    rows = report.coverage_rows
    expected, missing = int(rows["expected_results"].sum()), int(rows["missing_results"].sum())
    if not expected:
        return "none expected"
    lacking = f"{missing:,} missing" if missing else "none missing"
    return f"{expected - missing:,} recorded of {expected:,} expected, {lacking}"


def _last(report: Report) -> str:
    last = report.coverage.last_session_at
    return "none in this window" if last is None else moment(last.astimezone(report.window.zone))
