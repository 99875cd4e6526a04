"""Open sessions are followed to their end, through every kind of bad weather, and taken up again after a restart."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from recorder.db import transact
from recorder.errors import NoSuchThing, TryLater
from recorder.following import Answer
from recorder.foreground import follow
from recorder.materialising import Follow
from recorder.open_sessions import abandon_overdue, awaited_count, claim_open_sessions, postpone, release, resume
from recorder.pacing import LATE_FOR, LEASE
from recorder.simulator.faults import Fault, FaultKind
from recorder.store import Postponement
from recorder.targets import Target
from recorder.tracking import Fetched, write_answers
from tests.factories import NOW, open_session, record, rows, running, session, snapshot
from tests.recording import Harness, harness

CRITICAL = Target((("critical",),))


def answer_all(engine: Engine, answer: Answer, now: datetime) -> int:
    """Give every session that is due at this moment the same answer; how many were due."""

    def work(db: Session) -> int:
        claimed = claim_open_sessions(db, now=now, limit=10)
        if claimed:
            write_answers(db, [Fetched(one, answer, now, held_s=0.1) for one in claimed])
        return len(claimed)

    return transact(engine, work)


@pytest.fixture
def recorder(engine: Engine, tmp_path: Path) -> Iterator[Harness]:
    with harness(engine, tmp_path) as made:
        yield made


def trigger(recorder: Harness) -> tuple[UUID, ...]:
    """Start sessions and let their first question be due."""
    hour = timedelta(hours=1)
    sent = recorder.triggering.trigger_now(CRITICAL, follow=Follow(hour), schedule=None, origin="manual")
    recorder.clock.advance(seconds=20)
    return sent.sessions


def test_sessions_are_followed_until_all_are_final(recorder: Harness) -> None:
    started = trigger(recorder)

    followed = follow(recorder.parts, scope=started)

    assert followed.still_open == 0
    [(finals, open_ones)] = rows(recorder.engine, "SELECT COUNT(final_at), COUNT(next_poll_at) FROM check_sessions")
    assert (finals, open_ones) == (len(started), 0)
    assert not rows(
        recorder.engine,
        "SELECT 1 FROM check_sessions s WHERE NOT EXISTS (SELECT 1 FROM check_results r "
        "WHERE r.session_pk = s.pk AND r.result_type = 'FINAL')",
    )


def test_a_restart_goes_on_with_what_is_open(recorder: Harness) -> None:
    """The first process dies with the sessions claimed; the second one ends the leases and asks again."""
    started = trigger(recorder)
    claimed = transact(recorder.engine, lambda db: claim_open_sessions(db, now=recorder.clock.now(), limit=100))
    assert len(claimed) == len(started)

    successor = recorder.restart()
    waiting = transact(recorder.engine, lambda db: resume(db, now=recorder.clock.now()))
    follow(successor.parts, scope=None)

    assert waiting == len(started)
    assert rows(recorder.engine, "SELECT COUNT(*) FROM check_sessions WHERE final_at IS NULL") == [(0,)]
    assert recorder.triggers_received() == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.RESET_BEFORE, route="completion", count=3),
        Fault(kind=FaultKind.TRUNCATE, route="completion", count=3),
        Fault(kind=FaultKind.GARBAGE, route="completion", count=3),
        Fault(kind=FaultKind.STATUS, route="completion", count=3, status=503),
        Fault(kind=FaultKind.STATUS, route="completion", count=2, status=429, retry_after="0"),
        Fault(kind=FaultKind.STATUS, route="completion", count=2, status=408),
        Fault(kind=FaultKind.STATUS, route="completion", count=3, status=404),
        Fault(kind=FaultKind.UNKNOWN_ENUM, route="completion", count=2),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_bad_weather_delays_the_end_and_loses_nothing(recorder: Harness, fault: Fault) -> None:
    started = trigger(recorder)
    recorder.checkly.inject(fault)

    with recorder.walking_clock():
        follow(recorder.parts, scope=started)

    assert rows(recorder.engine, "SELECT COUNT(*) FROM check_sessions WHERE final_at IS NULL") == [(0,)]
    assert recorder.session_ids() == recorder.session_ids_seen_by_the_witness()


def test_a_session_that_never_ends_is_abandoned_and_the_others_are_not_kept_waiting(recorder: Harness) -> None:
    recorder.checkly.inject(Fault(kind=FaultKind.NEVER_END, route="trigger"))
    started = trigger(recorder)
    recorder.clock.advance(hours=1)

    follow(recorder.parts, scope=started)

    assert rows(recorder.engine, "SELECT DISTINCT abandoned_reason FROM check_sessions") == [("timeout",)]
    assert rows(recorder.engine, "SELECT COUNT(next_poll_at) FROM check_sessions") == [(len(started),)]


def test_deadlines_are_kept_while_the_budget_is_paused(recorder: Harness) -> None:
    """A 429 that asks for an hour: nothing is asked, and everything ends in its time."""
    for number in range(3):
        open_session(recorder.engine, f"one {number}", timeout=timedelta(minutes=10))
    limited = TryLater("", reason="rate_limited", http_status=429, retry_after_s=3600)
    recorder.parts.budget.heed(limited)

    with recorder.walking_clock(pace=200):
        followed = follow(recorder.parts, scope=None, give_up=soon())

    assert followed.still_open == 0
    assert rows(recorder.engine, "SELECT DISTINCT abandoned_reason FROM check_sessions") == [("timeout",)]
    assert recorder.checkly.witness().requests.get("completion", 0) == 0


def soon() -> threading.Event:
    """Is set in 20 seconds of life: what has not ended by then never would."""
    over = threading.Event()
    timer = threading.Timer(20, over.set)
    timer.daemon = True
    timer.start()
    return over


def test_what_is_past_its_deadline_is_given_up_unasked_and_its_question_stays_due(engine: Engine) -> None:
    """Not in the moment in which the answer to its last question is on its way."""
    open_session(engine, timeout=timedelta(minutes=1))
    late = [NOW + timedelta(seconds=second) for second in (59, 61, 62)]
    given_up = "SELECT abandoned_reason FROM check_sessions WHERE next_poll_at IS NOT NULL"

    found = []
    for now in late:
        transact(engine, partial(abandon_overdue, now=now))
        found += rows(engine, given_up)

    assert found == [(None,), (None,), ("timeout",)]
    assert len(transact(engine, lambda db: claim_open_sessions(db, now=late[-1], limit=10))) == 1


def test_a_session_that_has_ended_is_left_its_time_to_settle_at_its_deadline(engine: Engine) -> None:
    open_session(engine, timeout=timedelta(minutes=1))
    answer_all(engine, snapshot(session(results=[])), NOW + timedelta(seconds=50))
    found = []
    for second in (116, 117):
        now = NOW + timedelta(seconds=second)
        transact(engine, partial(abandon_overdue, now=now))
        found += rows(engine, "SELECT status, abandoned_reason FROM check_sessions")

    assert found == [("PASSED", None), ("PASSED", "timeout")]


def test_a_cancellation_that_is_refused_stops_nothing(recorder: Harness) -> None:
    """A key may be allowed to read and not to cancel: sessions are asked for, the circuit stays closed."""
    recorder.checkly.inject(Fault(kind=FaultKind.NEVER_END, route="trigger"))
    started = trigger(recorder)
    with recorder.engine.begin() as connection:
        connection.execute(text("UPDATE check_sessions SET cancel_on_timeout = true"))
    recorder.clock.advance(minutes=59, seconds=40)  # the deadline; a little later nobody needs to ask
    refusal = Fault(kind=FaultKind.STATUS, route="cancel", count=len(started), status=403)
    recorder.checkly.inject(refusal)

    follow(recorder.parts, scope=started)

    requests = recorder.checkly.witness().requests
    assert requests["cancel"] == len(started)
    assert recorder.parts.read_circuit.refusal is None
    given_up = "SELECT DISTINCT abandoned_reason FROM check_sessions WHERE final_at IS NULL"
    assert rows(recorder.engine, given_up) == [("timeout",)]


def test_a_session_that_checkly_forgot_is_gone(recorder: Harness) -> None:
    """One whose end was seen before ends with what there is, and is flagged."""
    recorder.checkly.inject(Fault(kind=FaultKind.FORGET, route="trigger"))
    started = trigger(recorder)

    with recorder.walking_clock():
        follow(recorder.parts, scope=started)

    ends = "SELECT DISTINCT abandoned_reason, outcome IS NOT NULL AND is_partial FROM check_sessions"
    assert ("gone", False) in rows(recorder.engine, ends)
    assert set(rows(recorder.engine, ends)) <= {("gone", False), (None, True)}


def test_a_claimed_session_is_left_alone_until_its_lease_is_over(engine: Engine) -> None:
    open_session(engine)

    first = transact(engine, lambda db: claim_open_sessions(db, now=NOW, limit=10))
    second = transact(engine, lambda db: claim_open_sessions(db, now=NOW, limit=10))
    later = transact(engine, lambda db: claim_open_sessions(db, now=NOW + LEASE, limit=10))

    assert [len(claims) for claims in (first, second, later)] == [1, 0, 1]


def test_sessions_outside_the_scope_are_not_claimed(engine: Engine) -> None:
    mine, other = open_session(engine, "mine"), open_session(engine, "other")

    claimed = transact(engine, lambda db: claim_open_sessions(db, now=NOW, limit=10, scope=[mine]))

    assert [one.check_session_id for one in claimed] == [mine]
    assert transact(engine, lambda db: awaited_count(db, scope=[other])) == 1


def test_what_was_held_at_a_stop_is_due_at_once(engine: Engine) -> None:
    open_session(engine)
    [held] = transact(engine, lambda db: claim_open_sessions(db, now=NOW, limit=10))

    transact(engine, lambda db: release(db, [held.pk], now=NOW))

    assert len(transact(engine, lambda db: claim_open_sessions(db, now=NOW, limit=10))) == 1


def test_a_postponement_that_comes_late_does_not_reopen_a_final_session(engine: Engine) -> None:
    open_session(engine)
    [held] = transact(engine, lambda db: claim_open_sessions(db, now=NOW, limit=10))
    record(engine, session(), now=NOW)

    transact(engine, lambda db: postpone(db, [Postponement(held.pk, NOW)]))

    assert rows(engine, "SELECT COUNT(next_poll_at), COUNT(final_at) FROM check_sessions") == [(0, 1)]


def test_a_session_whose_status_stays_unknown_is_asked_hourly_for_a_day_and_never_again(engine: Engine) -> None:
    """Checkly answers 200 each time: the lease of the last question must not bring it back."""
    open_session(engine)
    thinking = snapshot(running(status="THINKING"))
    late = [NOW + timedelta(hours=1, minutes=minute) for minute in range(0, 27 * 60, 5)]

    asked = [now for now in late if answer_all(engine, thinking, now)]

    assert len(asked) == 1 + LATE_FOR // timedelta(hours=1)
    assert asked[-1] == NOW + timedelta(hours=1) + LATE_FOR
    assert rows(engine, "SELECT status, next_poll_at, final_at FROM check_sessions") == [("THINKING", None, None)]


def test_an_answer_between_two_404s_begins_the_two_minutes_anew(engine: Engine) -> None:
    """Two single 404s, ten minutes apart, are two short outages and no session that is gone."""
    open_session(engine)
    not_found = NoSuchThing("", reason="not_found", http_status=404)
    answers: list[tuple[int, Answer]] = [(0, not_found), (11, snapshot(running())), (600, not_found)]

    asked = [answer_all(engine, answer, NOW + timedelta(seconds=second)) for second, answer in answers]

    assert asked == [1, 1, 1]
    assert rows(engine, "SELECT abandoned_reason, next_poll_at IS NULL FROM check_sessions") == [(None, False)]


def test_the_moment_of_giving_up_has_milliseconds_as_every_time(sqlite_engine: Engine) -> None:
    open_session(sqlite_engine)
    at = NOW + timedelta(hours=1, microseconds=123_456)

    answer_all(sqlite_engine, snapshot(running()), at)

    assert rows(sqlite_engine, "SELECT abandoned_at FROM check_sessions") == [("2026-11-18 13:00:00.123",)]
