"""What changed, in words: since when, how much, how certain, and where to look."""

from dataclasses import replace
from pathlib import Path

import pytest

from reports.change_section import ChangeRow, change_clause, change_section
from reports.report import Report
from reports.weekly import build_report, write_report
from tests.past import Payload, empty_database, hourly, record, session, week

LAST_WEEK = -168


def report_of(*parts: list[Payload]) -> Report:
    engine = empty_database()
    record(engine, [payload for part in parts for payload in part])
    return build_report(engine, week())


def rows(*parts: list[Payload]) -> list[ChangeRow]:
    return list(change_section(report_of(*parts)).rows)


def slower(check: str = "Checkout", *, times: float = 1.33) -> list[Payload]:
    """Eight weeks, four sessions a day; in the last one they take `times` as long."""
    return [
        session(
            day * 24 + hour,
            {"eu": "pass"},
            check=check,
            elapsed=(1000 + 7 * (day % 5) + hour) * (times if day >= 0 else 1),
        )
        for day in range(-49, 7)
        for hour in (1, 7, 13, 19)
    ]


def test_a_broken_check_is_told_with_since_size_interval_and_a_link_to_a_session() -> None:
    """The link opens the session that shows it."""
    (row,) = rows(hourly(["pass"] * 60, start=LAST_WEEK), hourly(["pass"] * 30 + ["fail"] * 10))

    assert (row.kind, row.tone, row.name.text, row.places) == ("broken", "bad", "Checkout", "eu")
    assert row.since == "Tue 17 Nov 06:00"
    assert row.size == "failed sessions 0 % before, 25.00 % now"
    assert row.certain.startswith("+25.0 points, 95 %: +")
    assert row.link
    assert "/check-sessions/" in row.link


def test_a_slower_check_is_told_with_both_levels_and_the_days_that_were_compared(tmp_path: Path) -> None:
    """When it became slower nobody knows."""
    report = report_of(slower())
    (row,) = change_section(report).rows

    assert (row.kind, row.since) == ("slower", "in the seven days from Mon 16 Nov 00:00 on")
    assert row.size.startswith("1.02 s before, 1.36 s now")
    assert row.certain.startswith("+32.6 %, 95 %: +")
    changes = next(path for path in write_report(report, tmp_path) if path.name == "changes.csv")
    assert ",eu,2026-11-16T00:00:00.000Z,time_elapsed," in changes.read_text(encoding="utf-8")


def test_new_and_gone_checks_are_told_with_their_sessions() -> None:
    """Since their first, or their last one."""
    found = {row.kind: row for row in rows(hourly(["pass"] * 3, start=LAST_WEEK, check="Old"), hourly(["pass"] * 2))}

    assert found["new"].size == "first seen, 2 sessions"
    assert (found["gone"].since, found["gone"].size) == ("Mon 9 Nov 02:00", "3 sessions before, none now")


def test_a_link_that_could_run_something_is_none() -> None:
    """Links come with the payloads."""
    report = report_of(hourly(["pass"] * 60, start=LAST_WEEK), hourly(["fail"] * 30))
    hostile = report.changes.assign(link="javascript:alert(1)")

    (row,) = change_section(replace(report, changes=hostile)).rows

    assert row.link is None


def test_without_a_change_one_sentence_says_so() -> None:
    """And another one when there is nothing to compare with; never that something is stable."""
    quiet = change_section(report_of(hourly(["pass"] * 30, start=LAST_WEEK), hourly(["pass"] * 30)))
    first = change_section(report_of(hourly(["pass"] * 30)))

    assert not quiet.rows
    assert quiet.nothing.startswith("Nothing to report here: no check turned broken")
    assert first.nothing == "There is nothing to compare with yet: no session was rated in the time before."


@pytest.mark.parametrize(
    ("checks", "clause"),
    [(["Cart"], "\u2068Cart\u2069 turned broken"), (["Cart", "Login"], "2 checks turned broken")],
)
def test_the_sentence_of_the_week_names_one_check_and_counts_several(checks: list[str], clause: str) -> None:
    """By kind, the worst first."""
    before = [payload for check in checks for payload in hourly(["pass"] * 30, start=LAST_WEEK, check=check)]
    now = [payload for check in checks for payload in hourly(["fail"] * 30, check=check)]

    assert change_clause(report_of(before, now)) == clause


def test_many_changes_are_folded_and_the_rest_counted() -> None:
    """New checks, seventy of them, beside an old one."""
    new = [payload for number in range(70) for payload in hourly(["pass"], check=f"{number}")]

    section = change_section(report_of(hourly(["pass"] * 3, start=LAST_WEEK), hourly(["pass"] * 3), new))

    assert (len(section.rows), len(section.more), section.hidden) == (12, 48, 10)
