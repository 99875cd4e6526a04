"""A report about some of the checks: by the schedule that triggers them, by id, by name."""

import json
from collections.abc import Sequence
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
from reports.columns import COLUMNS
from reports.notice import notice_of
from reports.selection import Selection
from reports.weekly import build_report, write_report
from tests.past import MONDAY, Payload, check_id, empty_database, hourly, record, session, week


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
    report = build_report(history, week(), selection=selection)

    assert dict(zip(report.checks["check_name"], report.checks["sessions"], strict=True)) == sessions
    assert report.coverage.sessions == sum(sessions.values())
    assert set(report.check_location["check_name"]) == set(report.sessions["check_name"]) == set(sessions)
    assert set(report.daily["check_name"]) == set(report.elapsed["check_name"]) == set(sessions)
    for name, columns in COLUMNS.items():
        if "check_name" in columns:
            assert set(report.table(name)["check_name"].dropna()) <= set(sessions), name
    assert int(report.failures_by_hour["rated"].sum()) == sum(sessions.values())
    assert {one.name: one.now for one in report.key_figures}["sessions_rated"] == pytest.approx(
        sum(sessions.values()) or float("nan"), nan_ok=True
    )


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
    coverage = build_report(history, week(), selection=selection).coverage

    assert (coverage.due, coverage.fires["triggered"], coverage.fires["missed"]) == due


def fired(engine: Engine, schedule: str, firings: Sequence[tuple[float, Sequence[Payload]]]) -> None:
    """Record the sessions that a new schedule triggered, by hours after MONDAY."""

    def trigger(db: Session) -> None:
        new = {"name": schedule, "definition": "", "cursor": MONDAY, "created_at": MONDAY}
        schedule_pk = db.execute(insert(Schedule).values(new).returning(Schedule.pk)).scalar_one()
        for hour, payloads in firings:
            instant = MONDAY + timedelta(hours=hour)
            how = {"origin": "schedule", "scheduled_for": instant, "not_before": instant, "attempt": 0}
            new_fire = insert(Fire).values(schedule_pk=schedule_pk, state="triggered", **how).returning(Fire.pk)
            fire_pk = db.execute(new_fire).scalar_one()
            parsed = [parse_session(payload) for payload in payloads]
            record_sessions(
                db, [Recording(one, "schedule", closes=True, fire_pk=fire_pk) for one in parsed], now=MONDAY
            )

    transact(engine, trigger)


def test_an_outage_of_all_checks_is_one_in_a_report_about_one_of_them_too() -> None:
    """Alone its failure would look like a flake; what other schedules' checks shared is not its business."""
    engine = empty_database()
    for schedule, down in (("prod", 2), ("dev", 4)):
        checks = [f"{schedule} {n}" for n in range(4)]
        hours = [
            (hour, [session(hour, {"eu": "fail" if hour == down else "pass"}, check=check) for check in checks])
            for hour in range(6)
        ]
        fired(engine, schedule, hours)

    whole, part = (
        build_report(engine, week(), selection=one) for one in (Selection(), Selection(check_names=("prod 0",)))
    )

    assert part.check_location["flake_events"].tolist() == [0]
    columns = ["kind", "schedule", "failed_checks", "checks"]
    assert part.incidents[columns].dropna().to_numpy().tolist() == [["fleet", "prod", 4, 4]]
    assert whole.events["schedule"].tolist() == ["prod", "dev"]


def test_a_check_that_its_schedule_no_longer_triggers_is_said_to_be_gone() -> None:
    """And what ran before is compared with what runs now."""
    engine = empty_database()
    old, new = session(-24, {"eu": "fail"}, check="Old"), session(24, {"eu": "pass"}, check="New")
    fired(engine, "prod", [(-24, [old]), (24, [new])])
    record(engine, [session(160, {"eu": "pass"}, check="Another")])

    report = build_report(engine, week(), selection=Selection(schedules=("prod",)))

    assert report.checks["check_name"].tolist() == ["New"]
    assert ("gone", "Old") in set(zip(report.changes["kind"], report.changes["check_name"], strict=True))
    assert {one.name: one.before for one in report.key_figures}["sessions_failed"] == 1


def test_exclusions_of_other_checks_are_not_shown(history: Engine) -> None:
    """Those of every check are."""
    for check in (None, "Pay", "Cart"):
        span = Span(MONDAY, MONDAY + timedelta(hours=1), check)
        add_exclusion(history, span, reason=f"of {check}", who="ann@desk", now=lambda: MONDAY)

    report = build_report(history, week(), selection=Selection(check_names=("Cart",)))

    assert report.exclusions["reason"].tolist() == ["of None", "of Cart"]


def test_the_page_the_manifest_and_the_notice_say_what_they_are_about(history: Engine, tmp_path: Path) -> None:
    """A part must never pass for the whole."""
    about = "checks of the schedule prod; Cart & Co"
    report = build_report(history, week(), selection=Selection(schedules=("prod",), check_names=("Cart & Co",)))

    paths = write_report(report, tmp_path)
    page, manifest = (path.read_text(encoding="utf-8") for path in (paths[0], paths[-1]))

    assert report.about == json.loads(manifest)["about"] == about
    assert "<dt>Only</dt><dd><bdi>checks of the schedule prod; Cart &amp; Co</bdi></dd>" in page
    assert "<p>Only checks of the schedule prod; Cart &amp; Co.</p>" in notice_of(report).html
    assert "<dt>Only</dt>" not in write_report(build_report(history, week()), tmp_path)[0].read_text()
