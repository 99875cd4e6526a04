"""Pure: the title of a report, and the sentences that say the week before any table does."""

from datetime import date, datetime, time
from typing import Any, Final

import pandas as pd

from reports import wording
from reports.change_section import change_clause
from reports.names import check_name, isolated, short
from reports.report import Report
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
    """The sentence that says the week (what failed, what changed), then which check was worst and what was flakiest."""
    counts = report.coverage
    if counts.sessions == 0:
        return ["No session was recorded in this window, so there is nothing to rate."]
    if counts.rated == 0:
        return [f"{_recorded(report)}, but none can be rated: {_unrated(report)}."]
    failed = counts.failed + counts.timed_out
    checks = report.checks[report.checks["rated"].gt(0)]
    if failed == 0:
        every = (
            f"No session failed: {wording.plural(len(checks), 'check')} ran {wording.plural(counts.rated, 'session')}"
        )
        return [f"{every} that can be rated, and each of them passed{_changed(report)}.", *_flakiest(report)]
    hit = checks[checks["incidents"].gt(0)]
    first = (
        f"{len(hit):,} of {wording.plural(len(checks), 'check')} failed at least once: "
        f"{failed:,} of {wording.plural(counts.rated, 'session')} failed{_changed(report)}."
    )
    often = checks["rated"].ge(report.thresholds.min_runs)
    return [first, *_worst(checks[often]), *_flakiest(report)]


def _changed(report: Report) -> str:
    clause = change_clause(report)
    return f"; {clause}" if clause else ""


def _worst(checks: pd.DataFrame) -> list[str]:
    """The check whose pass rate is certain to be lowest; `checks` are those that ran often enough."""
    worst = worst_first(checks[checks["incidents"].gt(0)])
    if worst.empty:
        return []
    row: Any = next(worst.itertuples())
    name = check_name(row.check_name, row.check_id).text
    passed = wording.fraction(row.passed + row.degraded, row.rated)
    return [f"The lowest pass rate is that of {isolated(name)}, {passed}."]


def _flakiest(report: Report) -> list[str]:
    ranked = flakiest_first(report.check_location)
    if ranked.empty:
        return []
    row: Any = next(ranked.itertuples())
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


def _unrated(report: Report) -> str:
    counts = report.coverage
    parts = [
        f"{count:,} {word}"
        for count, word in (
            (counts.unfinished, "unfinished"),
            (counts.cancelled, "cancelled"),
            (counts.left_out, "left out of the rates"),
        )
        if count
    ]
    return wording.listing(parts)


def moment(instant: datetime) -> str:
    """Such as "Mon 16 Nov 2026 00:00", in English whatever the machine's language."""
    clock = f"{instant:%H:%M:%S}" if instant.second else f"{instant:%H:%M}"
    return f"{wording.DAYS[instant.weekday()]} {_day(instant)} {clock}"


def _day(day: date) -> str:
    return f"{day.day} {wording.MONTHS[day.month - 1]} {day.year}"
