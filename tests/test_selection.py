"""A report about some of the checks: by the schedule that triggers them, by id, by name."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from recorder.db import transact
from recorder.excluding import Span, add_exclusion
from recorder.models import Fire, Schedule
from recorder.payloads import parse_session
from recorder.store import Recording, record_sessions
from reports.notice import notice_of
from reports.selection import Selection
from reports.weekly import build_report, write_report
from tests.past import MONDAY, check_id, empty_database, hourly, record, week


@pytest.fixture
def history() -> Engine:
    """Login is triggered by `prod` and imported too, Cart and Pay are imported; `idle` never triggered anything."""
    engine = empty_database()
    record(engine, [*hourly(["pass", "fail"], check="Login"), *hourly(["pass"] * 3, check="Cart")])
    record(engine, hourly(["fail"], check="Pay"))
    triggered = parse_session(hourly(["pass"], start=5, check="Login")[0])

    def trigger(db: Session) -> None:
        for pk, name in enumerate(("prod", "idle"), 1):
            db.execute(insert(Schedule).values(pk=pk, name=name, definition="", cursor=MONDAY, created_at=MONDAY))
            instant = MONDAY + timedelta(hours=5)
            how = {"origin": "schedule", "scheduled_for": instant, "not_before": instant, "attempt": 0}
            db.execute(insert(Fire).values(pk=pk, schedule_pk=pk, state=("triggered", "missed")[pk - 1], **how))
        record_sessions(db, [Recording(triggered, "schedule", closes=True, fire_pk=1)], now=MONDAY)

    transact(engine, trigger)
    return engine


@pytest.mark.parametrize(
    ("selection", "sessions"),
    [
        (Selection(), {"Login": 3, "Cart": 3, "Pay": 1}),
        (Selection(schedules=("prod",)), {"Login": 3}),
        (Selection(check_names=("Cart",)), {"Cart": 3}),
        (Selection(check_ids=(str(check_id("Pay")),)), {"Pay": 1}),
        (Selection(("prod",), (str(check_id("Pay")),), ("Cart",)), {"Login": 3, "Cart": 3, "Pay": 1}),
        (Selection(schedules=("idle",)), {}),
        (Selection(check_names=("cart",)), {}),
    ],
)
def test_a_report_is_about_the_selected_checks_with_all_their_sessions(
    selection: Selection, sessions: dict[str, int], history: Engine
) -> None:
    """However a session came about; what nothing selects is in no table and no count."""
    report = build_report(history, week(), selection)

    assert dict(zip(report.checks["check_name"], report.checks["sessions"], strict=True)) == sessions
    assert report.coverage.sessions == sum(sessions.values())
    assert set(report.check_location["check_name"]) == set(report.sessions["check_name"]) == set(sessions)
    assert set(report.daily["check_name"]) == set(report.elapsed["check_name"]) == set(sessions)


@pytest.mark.parametrize(
    ("selection", "due"),
    [
        (Selection(), (2, 1, 1)),
        (Selection(schedules=("idle",)), (1, 0, 1)),
        (Selection(check_names=("Login",)), (1, 1, 0)),
        (Selection(check_names=("Cart",)), (0, 0, 0)),
    ],
)
def test_due_times_are_those_of_the_schedules_concerned(
    selection: Selection, due: tuple[int, int, int], history: Engine
) -> None:
    """One that is named and was missed all week is not silently absent."""
    coverage = build_report(history, week(), selection).coverage

    assert (coverage.due, coverage.fires["triggered"], coverage.fires["missed"]) == due


def test_exclusions_of_other_checks_are_not_shown(history: Engine) -> None:
    """Those of every check are."""
    for check in (None, "Pay", "Cart"):
        span = Span(MONDAY, MONDAY + timedelta(hours=1), check)
        add_exclusion(history, span, reason=f"of {check}", who="ann@desk", now=lambda: MONDAY)

    report = build_report(history, week(), Selection(check_names=("Cart",)))

    assert report.exclusions["reason"].tolist() == ["of None", "of Cart"]


def test_the_page_and_the_notice_say_what_they_are_about(history: Engine, tmp_path: Path) -> None:
    """A part must never pass for the whole."""
    about = "checks of the schedule prod; Cart & Co"
    report = build_report(history, week(), Selection(schedules=("prod",), check_names=("Cart & Co",)))

    page = write_report(report, tmp_path, formats=["html"])[0].read_text(encoding="utf-8")

    assert report.about == about
    assert "<dt>Only</dt><dd><bdi>checks of the schedule prod; Cart &amp; Co</bdi></dd>" in page
    assert "<p>Only checks of the schedule prod; Cart &amp; Co.</p>" in notice_of(report).html
    assert "<dt>Only</dt>" not in write_report(build_report(history, week()), tmp_path)[0].read_text()
