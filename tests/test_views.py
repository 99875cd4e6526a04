"""The views give the same figures on both databases, worked out by hand or by the reports (columns: test_docs.py)."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from recorder import views
from recorder.models import Fire, Schedule
from reports.weekly import build_report
from tests import factories
from tests.past import MONDAY, Payload, exclude, hourly, record, session, week

EVERYWHERE = ("eu", "us", "ap")


def ask(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    """The rows, with values written the same way whatever the database returns."""
    with engine.connect() as connection:
        return [tuple(plain(value) for value in row) for row in connection.execute(text(sql))]


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return value.isoformat() if isinstance(value, date) else value


def at(hour: float) -> str:
    """An instant, hours after MONDAY, as SQLite keeps it and `plain` writes it."""
    return (MONDAY + timedelta(hours=hour)).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def test_an_empty_history_gives_no_rows(engine: Engine) -> None:
    """Never a row of zeros that looks like a measurement."""
    assert [ask(engine, f"SELECT * FROM {view}") for view in views.VIEWS] == [[]] * len(views.VIEWS)  # noqa: S608


def test_ids_are_the_text_that_checkly_shows(engine: Engine) -> None:
    one = session(0, {"eu": "pass"})
    record(engine, [one])

    assert ask(engine, "SELECT check_session_id, check_id, check_session_link FROM session_history") == [
        (one["checkSessionId"], one["checkId"], one["checkSessionLink"])
    ]
    assert ask(engine, "SELECT check_session_id, check_result_id FROM result_history") == [
        (one["checkSessionId"], one["results"][0]["checkResultId"])
    ]


def test_days_hours_and_weekdays_are_cut_in_utc(engine: Engine) -> None:
    """1 is Monday, 7 Sunday; the last millisecond of a day belongs to it."""
    record(engine, [session(hour, {"eu": "pass"}) for hour in (0, 13.5, 24 - 1 / 3_600_000, 24, 6 * 24)])

    expected = [
        ("2026-11-16", 0, 1),
        ("2026-11-16", 13, 1),
        ("2026-11-16", 23, 1),
        ("2026-11-17", 0, 2),
        ("2026-11-22", 0, 7),
    ]
    for view in ("session_history", "result_history"):
        assert ask(engine, f"SELECT run_day, run_hour, run_dow FROM {view} ORDER BY started_at") == expected  # noqa: S608


def test_daily_pass_rate_counts_finals_and_leaves_void_ones_out_of_the_rate(engine: Engine) -> None:
    record(
        engine,
        [
            session(1, {"eu": "pass", "us": "fail"}, retried=["eu"]),
            session(2, {"eu": "degraded", "us": "pass"}),
            session(3, {"eu": "void", "us": "error"}),
            session(25, {"eu": "void"}),
        ],
    )

    assert ask(
        engine,
        "SELECT run_location, run_day, n, passed, degraded, failed, void, pass_rate FROM daily_pass_rate "
        "ORDER BY run_location, run_day",
    ) == [
        ("eu", "2026-11-16", 2, 1, 1, 0, 1, 1),
        ("eu", "2026-11-17", 0, 0, 0, 0, 1, None),
        ("us", "2026-11-16", 3, 1, 0, 2, 0, 0.333333),
    ]


def flaky_history() -> list[Payload]:
    """One of each: a flake, an outage of one run, one of three, a retry that passed, a failure that is not over."""
    both = {"eu": "pass", "us": "pass"}
    return [
        session(0, both),
        session(1, {**both, "eu": "fail"}),
        session(2, both),
        session(3, {"eu": "fail", "us": "fail"}),
        session(4, both, retried=["us"]),
        *(session(hour, {"eu": "error", "us": "fail"}) for hour in (5, 6, 7)),
        session(8, both),
        session(9, {**both, "eu": "fail"}),
    ]


def test_flakiness_counts_what_came_and_went_at_a_minority_of_locations(engine: Engine) -> None:
    """An outage of all locations is no flake however short, and what touches the end is not yet one."""
    record(engine, flaky_history())

    assert ask(
        engine,
        "SELECT run_location, n, failed, retry_pass, flake_events, flake_rate, incidents, first_started_at, "
        "last_started_at FROM flakiness ORDER BY run_location",
    ) == [
        ("eu", 10, 6, 0, 1, 0.1, 4, at(0), at(9)),
        ("us", 10, 4, 1, 1, 0.1, 2, at(0), at(9)),
    ]


def test_incidents_are_unbroken_runs_of_failed_sessions(engine: Engine) -> None:
    """A cancelled session neither ends nor makes one; TIMED_OUT is a failure."""
    ends = ["pass", "fail", "fail", "pass", "fail"]
    sessions = hourly(ends)
    sessions[2]["status"] = "TIMED_OUT"
    cancelled = session(1.5, {"eu": "void"}, status="CANCELLED")
    record(engine, [*sessions, cancelled])

    assert ask(
        engine,
        "SELECT failed_sessions, last_good_at, first_failed_at, last_failed_at, recovered_at FROM incidents "
        "ORDER BY first_failed_at",
    ) == [(2, at(0), at(1), at(2), at(3)), (1, at(3), at(4), at(4), None)]


def test_current_state_is_the_newest_result_that_counts(engine: Engine) -> None:
    """Whatever was recorded last: an old session imported today is still old."""
    newest = session(5, {"eu": "fail", "us": "pass"}, retried=["us"])
    record(engine, [newest, session(6, {"eu": "void", "us": "void"}), session(2, {"eu": "pass", "us": "fail"})])

    assert ask(
        engine,
        "SELECT run_location, outcome, attempts, check_session_id, started_at, last_ok_at, last_failed_at "
        "FROM current_state ORDER BY run_location",
    ) == [
        ("eu", "FAIL", 0, newest["checkSessionId"], at(5), at(2), at(5)),
        ("us", "PASS", 1, newest["checkSessionId"], at(5), at(5), at(2)),
    ]


def test_what_is_excluded_reconciled_or_unfinished_is_shown_and_not_rated(engine: Engine) -> None:
    """It stays in the histories, which hide nothing."""
    excluded, unfinished = session(1, {"eu": "fail"}), session(3, {"eu": "pass"}, status="PROGRESS")
    record(engine, [session(0, {"eu": "pass"}), excluded])
    record(engine, [session(2, {"eu": "fail"})], origin="reconciled")
    record(engine, [unfinished], closes=False)
    exclude(engine, excluded)

    assert ask(engine, "SELECT COUNT(*) FROM session_history") == [(4,)]
    assert ask(engine, "SELECT COUNT(*) FROM result_history") == [(4,)]
    assert ask(engine, "SELECT n, failed FROM daily_pass_rate") == [(1, 0)]
    assert ask(engine, "SELECT n, failed FROM flakiness") == [(1, 0)]
    assert ask(engine, "SELECT started_at FROM current_state") == [(at(0),)]
    assert ask(engine, "SELECT * FROM incidents") == []


def fire(hour: float, state: str, reason: str | None = None, **more: Any) -> Fire:
    instant = MONDAY + timedelta(hours=hour)
    return Fire(origin="schedule", scheduled_for=instant, not_before=instant, state=state, reason=reason, **more)


def add_schedule(engine: Engine, name: str, fires: list[Fire]) -> list[int]:
    """Write a schedule with these fires; their keys."""
    with Session(engine) as db, db.begin():
        row = Schedule(name=name, definition="{}", cursor=MONDAY, created_at=MONDAY)
        db.add(row)
        db.flush()
        for one in fires:
            one.schedule_pk = row.pk
        db.add_all(fires)
        db.flush()
        return [one.pk for one in fires]


def test_coverage_accounts_for_every_due_instant_of_a_day(engine: Engine) -> None:
    """A gap row stands for as many instants as it says; a trigger by hand belongs to no schedule's day."""
    states = [fire(n, state) for n, state in enumerate(("no_match", "rejected", "ambiguous", "due", "intent"), 1)]
    gap = fire(6, "missed", "daemon_down", gap_until=MONDAY + timedelta(hours=12), gap_count=40)
    triggered, *_ = add_schedule(engine, "prod", [fire(0, "triggered"), *states, gap, fire(25, "skipped", "overlap")])
    with Session(engine) as db, db.begin():
        db.add(Fire(origin="manual", scheduled_for=MONDAY, not_before=MONDAY, state="triggered"))
    factories.record(engine, session(0, {"eu": "pass", "us": None}), fire_pk=triggered)
    factories.record(engine, session(0.1, {"eu": "pass"}, status="PROGRESS"), fire_pk=triggered)

    assert ask(engine, "SELECT * FROM coverage ORDER BY run_day") == [
        ("prod", "2026-11-16", 46, 1, 1, 1, 1, 40, 0, 2, 2, 1, 1),
        ("prod", "2026-11-17", 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0),
    ]


def test_fire_history_names_the_schedule_and_keeps_the_reason(engine: Engine) -> None:
    add_schedule(engine, "prod", [fire(13, "missed", "late_after_grace", attempt=2)])
    with Session(engine) as db, db.begin():
        db.add(Fire(origin="manual", scheduled_for=MONDAY, not_before=MONDAY, state="triggered", session_count=3))

    assert ask(
        engine,
        "SELECT schedule_name, origin, scheduled_for, state, reason, attempt, session_count, run_day, run_hour, "
        "run_dow FROM fire_history ORDER BY fire_id",
    ) == [
        ("prod", "schedule", at(13), "missed", "late_after_grace", 2, None, "2026-11-16", 13, 1),
        (None, "manual", at(0), "triggered", None, 0, 3, "2026-11-16", 0, 1),
    ]


def random_week(seed: int) -> list[Payload]:
    """Twelve checks with everything that can happen to them, ending well so that no run touches the week's end."""
    chance = random.Random(seed)  # noqa: S311 - a seeded history
    ends = ["pass"] * 8 + ["fail", "error", "degraded", "void", None]
    sessions = []
    for check in range(12):
        places = EVERYWHERE[: 1 + check % 3]
        for hour in range(1, 40):
            outcome = {place: chance.choice(ends) for place in places}
            retried = [place for place in places if chance.random() < 0.1]
            sessions.append(session(hour, outcome, check=f"Check {check}", retried=retried))
        sessions.append(session(41, dict.fromkeys(places, "pass"), check=f"Check {check}"))
    return sessions


def test_the_views_and_the_weekly_report_agree(engine: Engine) -> None:
    """Two ways to the same figures, one in SQL and one in pandas, over a week that holds the whole history."""
    record(engine, random_week(seed=3))
    report = build_report(engine, week())
    key = ["check_name", "run_location"]

    pairs = report.check_location[report.check_location["n"].gt(0)]
    counted = ["n", "failed", "retry_pass", "flake_events", "incidents"]
    assert ask(engine, f"SELECT {', '.join(key + counted)} FROM flakiness ORDER BY check_id, run_location") == rows_of(  # noqa: S608
        pairs.sort_values(["check_id", "run_location"])[key + counted]
    )

    days = report.daily.assign(day=report.daily["day"].dt.strftime("%Y-%m-%d"))
    days = days[days["n"].add(days["void"]).gt(0)].sort_values(["check_id", "run_location", "day"])
    counted = ["n", "passed", "degraded", "failed", "void"]
    assert ask(
        engine,
        f"SELECT {', '.join([*key, 'run_day', *counted])} FROM daily_pass_rate "  # noqa: S608
        "ORDER BY check_id, run_location, run_day",
    ) == rows_of(days[[*key, "day", *counted]])

    checks = report.checks[report.checks["incidents"].gt(0)].sort_values("check_id")
    assert ask(
        engine, "SELECT check_name, COUNT(*) FROM incidents GROUP BY check_id, check_name ORDER BY check_id"
    ) == rows_of(checks[["check_name", "incidents"]])


def rows_of(frame: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame.astype(object).to_numpy().tolist()]
