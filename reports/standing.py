"""Pure: how things stand without any change: what stays broken, what always fails, and what was not recorded."""

from datetime import datetime
from typing import Final

import pandas as pd

from reports import wording
from reports.coverage import FIRE_STATES
from reports.names import check_name
from reports.report import Report
from reports.states import BROKEN
from reports.windows import Window

_LOST: Final = tuple(state for state in FIRE_STATES if state != "triggered")


def standing(report: Report) -> list[str]:
    """Clauses about what no change says: checks that were broken before and are, that always fail, and lost records."""
    lost = [_lost_instants(report), _lost_sessions(report), _lost_results(report), _silence(report)]
    return [clause for clause in (_still_broken(report), _always_failing(report), *lost) if clause]


def failures(report: Report) -> str:
    """How many sessions failed, such as "17 of 2,015 sessions failed"; empty when none did."""
    counts = report.coverage
    failed = counts.failed + counts.timed_out
    return f"{failed:,} of {wording.plural(counts.rated, 'session')} failed" if failed else ""


def unrated(report: Report) -> str:
    """The sessions that are in no rate, by why."""
    counts = report.coverage
    return wording.listing(
        [
            f"{count:,} {word}"
            for count, word in (
                (counts.unfinished, "unfinished"),
                (counts.cancelled, "cancelled"),
                (counts.left_out, "left out of the rates"),
            )
            if count
        ]
    )


def lost_instants(report: Report) -> str:
    """Such as "only 68 of 168 due instants were triggered (90 missed, 10 skipped)"; empty when all were."""
    due, fires = report.coverage.due, report.coverage.fires
    if fires["triggered"] >= due:
        return ""
    became = [f"{fires[state]:,} {state.replace('_', ' ')}" for state in _LOST if fires[state]]
    return f"only {fires['triggered']:,} of {wording.plural(due, 'due instant')} were triggered ({', '.join(became)})"


def begun(span: Window, at: datetime) -> str:
    """When a history begins inside of the span, such as "Wed 18 Nov"; on the span's first day with the time."""
    when = wording.day(at.date())
    return f"{when} {at:%H:%M}" if at.date() == span.days[0] else when


def _still_broken(report: Report) -> str:
    turned = report.changes.loc[report.changes["kind"].eq("broken"), "check_id"]
    broken = report.checks[report.checks["state"].eq(BROKEN)]
    return _who(broken[~broken["check_id"].isin(turned)], "is still broken", "are still broken")


def _always_failing(report: Report) -> str:
    """Checks that ran too seldom to be called broken, and failed each time; not said when every session failed."""
    checks = report.checks
    never = checks["rated"].gt(1) & checks["rated"].eq(checks["failed"] + checks["timed_out"])
    said = report.changes.loc[report.changes["kind"].eq("broken"), "check_id"]
    if checks.loc[checks["rated"].gt(0), "pass_rate"].eq(0).all():
        return ""
    which = checks[never & checks["state"].ne(BROKEN) & ~checks["check_id"].isin(said)]
    return _who(which, "failed every time", "failed every time")


def _who(checks: pd.DataFrame, one: str, many: str) -> str:
    if checks.empty:
        return ""
    if len(checks) > 1:
        return f"{len(checks):,} checks {many}"
    only = checks.iloc[0]
    return f"{check_name(only['check_name'], str(only['check_id'])).isolated} {one}"


def _lost_instants(report: Report) -> str:
    counts = report.coverage
    return lost_instants(report) if _is_much(report, counts.due - counts.fires["triggered"], counts.due) else ""


def _lost_sessions(report: Report) -> str:
    counts = report.coverage
    if not _is_much(report, counts.sessions - counts.rated, counts.sessions):
        return ""
    few = counts.sessions - counts.rated
    return f"{few:,} of {wording.plural(counts.sessions, 'session')} cannot be rated ({unrated(report)})"


def _lost_results(report: Report) -> str:
    rows = report.coverage_rows
    expected, missing = int(rows["expected_results"].sum()), int(rows["missing_results"].sum())
    if not _is_much(report, missing, expected):
        return ""
    return f"{missing:,} of {wording.plural(expected, 'expected result')} {'is' if missing == 1 else 'are'} missing"


def _silence(report: Report) -> str:
    """From when on there is a history, and where it ends before the window does."""
    first, last = report.window_from, report.silent_after
    silent = [f"before {begun(report.window, first)}"] if first else []
    silent += [f"after {wording.day(last)}"] if last else []
    return f"nothing was recorded {' and '.join(silent)}" if silent else ""


def _is_much(report: Report, lost: int, whole: int) -> bool:
    return lost > 0 and lost >= report.thresholds.coverage_loss * whole
