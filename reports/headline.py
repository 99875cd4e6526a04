"""Pure: the title of a report, and the sentences that say the week before any table does."""

from datetime import date, datetime, time
from typing import Any, Final

import pandas as pd

from reports import wording
from reports.change_section import change_clause
from reports.names import check_name, isolated, short
from reports.report import Report
from reports.standing import failures, lost_instants, standing, unrated
from reports.windows import Window

_WEEK_HOURS: Final = 168


def title(window: Window) -> str:
    """Such as "Week 47 of 2026", or "1 Nov 2026 to 7 Nov 2026" (whole days), or the range's local times."""
    if "W" in window.label:
        year, number = window.label.split("-W")
        return f"Week {int(number)} of {year}"
    if window.start_local.time() == window.end_local.time() == time():
        first, last = _day(window.days[0]), _day(window.days[-1])
        return first if first == last else f"{first} to {last}"
    return f"{moment(window.start_local)} to {moment(window.end_local)}"


def window_lines(window: Window) -> tuple[str, str]:
    """The window on the clocks of its zone, and in UTC."""
    hours = f"{window.hours:g} hours"
    if window.hours != _WEEK_HOURS and "W" in window.label:
        hours += ", the clocks change in it"
    local = f"{moment(window.start_local)} to {moment(window.end_local)} {window.zone.key} ({hours})"
    return local, f"{moment(window.start)} to {moment(window.end)} UTC"


def headline(report: Report) -> list[str]:
    """The sentence that says the week (what failed, changed, stays so, was lost), then the worst and the flakiest."""
    counts = report.coverage
    if counts.sessions == 0:
        lost = lost_instants(report)
        return [f"No session was recorded in this window, so there is nothing to rate{f': {lost}' if lost else ''}."]
    if counts.rated == 0:
        clauses = [f"{_recorded(report)}, but none can be rated: {unrated(report)}", lost_instants(report)]
        return [f"{'; '.join(filter(None, clauses))}."]
    checks = report.checks[report.checks["rated"].gt(0)]
    clauses = [_outcome(report, checks), change_clause(report), *standing(report)]
    often = checks["rated"].ge(report.thresholds.min_runs)
    return [f"{'; '.join(filter(None, clauses))}.", *_worst(checks[often]), *_flakiest(report)]


def _outcome(report: Report, checks: pd.DataFrame) -> str:
    """What failed, or that nothing did; `checks` are those with a rated session."""
    rated, failed = report.coverage.rated, failures(report)
    if not failed:
        ran = f"{wording.plural(len(checks), 'check')} ran {wording.plural(rated, 'session')}"
        return f"No session failed: {ran} that can be rated, and each of them passed"
    if checks["pass_rate"].eq(0).all():
        return f"Every session failed: {failed}, of {wording.plural(len(checks), 'check')}"
    hit = checks[checks["incidents"].gt(0)]
    return f"{len(hit):,} of {wording.plural(len(checks), 'check')} failed at least once: {failed}"


def _worst(checks: pd.DataFrame) -> list[str]:
    """The check whose pass rate is certain to be lowest; `checks` are those that ran often enough."""
    worst = worst_first(checks[checks["incidents"].gt(0)])
    if worst.empty:
        return []
    row: Any = worst.iloc[0]
    name = check_name(row.check_name, row.check_id).text
    passed = wording.fraction(row.passed + row.degraded, row.rated)
    return [f"The lowest pass rate is that of {isolated(name)}, {passed}."]


def _flakiest(report: Report) -> list[str]:
    ranked = flakiest_first(report.check_location)
    if ranked.empty:
        return []
    row: Any = ranked.iloc[0]
    name = check_name(row.check_name, row.check_id).text
    rate = wording.fraction(row.flake_events, row.n)
    return [
        f"The flakiest pair is {isolated(name)} from {isolated(short(row.run_location))}, with a flake rate of {rate}."
    ]


def worst_first(checks: pd.DataFrame) -> pd.DataFrame:
    """Checks by the upper end of their pass rate's interval: a low rate that few runs vouch for does not lead."""
    named = checks.assign(_failed=-(checks["failed"] + checks["timed_out"]), _name=checks["check_name"].fillna(""))
    return named.sort_values(["pass_rate_high", "_failed", "_name", "check_id"], ignore_index=True)


def flakiest_first(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs with a rank, the flakiest first; what is equal by failures, then by name and location."""
    ranked = pairs[pairs["flake_rank"].notna()]
    named = ranked.assign(_name=ranked["check_name"].fillna(""))
    return named.sort_values(["flake_rank", "_name", "check_id", "run_location"], ignore_index=True)


def _recorded(report: Report) -> str:
    return f"{wording.plural(report.coverage.sessions, 'session')} {_was(report.coverage.sessions)} recorded"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def moment(instant: datetime) -> str:
    """Such as "Mon 16 Nov 2026 00:00", in English whatever the machine's language."""
    clock = f"{instant:%H:%M:%S}" if instant.second else f"{instant:%H:%M}"
    return f"{wording.DAYS[instant.weekday()]} {_day(instant)} {clock}"


def _day(day: date) -> str:
    return f"{day.day} {wording.MONTHS[day.month - 1]} {day.year}"
