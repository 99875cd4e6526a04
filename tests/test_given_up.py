"""What the log says of sessions that are waited for no longer, and of a server that fails, from the row to the line."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from recorder.db import transact
from recorder.foreground import follow
from recorder.open_sessions import GivenUp, abandon_overdue, claim_open_sessions
from recorder.pacing import OVERDUE_AFTER
from recorder.payloads import StillRunning
from recorder.simulator.faults import Fault, FaultKind
from recorder.targets import Target
from recorder.tracking import Fetched, write_answers
from tests.factories import CHECK_ID, NOW, open_session, rows
from tests.recording import Harness, harness


@pytest.fixture
def recorder(engine: Engine, tmp_path: Path) -> Iterator[Harness]:
    with harness(engine, tmp_path) as made:
        yield made


def trigger(recorder: Harness) -> tuple[UUID, ...]:
    """Start sessions and let their first question be due."""
    target = Target((("critical",),))
    sent = recorder.triggering.trigger_now(target, follow=recorder.follow, schedule=None, origin="manual")
    recorder.clock.advance(seconds=20)
    return sent.sessions


def test_a_session_that_is_abandoned_gets_a_line_with_its_check_and_what_was_answered(recorder: Harness) -> None:
    """Its deadline was all that the log knew of it: nothing."""
    recorder.checkly.inject(Fault(kind=FaultKind.NEVER_END, route="trigger"))
    started = trigger(recorder)
    recorder.clock.advance(minutes=59, seconds=40)

    with capture_logs() as said:
        follow(recorder.parts, scope=started)

    lines = [line for line in said if line["event"] == "a session is given up"]
    assert {line["session"] for line in lines} == {str(one) for one in started}
    assert {(line["log_level"], line["reason"], line["followed_s"]) for line in lines} == {("warning", "timeout", 3600)}
    assert {line["check"] for line in lines} == {name for (name,) in rows(recorder.engine, "SELECT name FROM checks")}
    assert {line["last_answers"] for line in lines} == {"still running"}


def test_what_is_past_its_deadline_while_nothing_may_be_asked_is_named_once(engine: Engine) -> None:
    """Two threads may find the same session overdue: the one that asked, and the one that looks after deadlines."""
    open_session(engine)
    late = NOW + timedelta(hours=1) + OVERDUE_AFTER
    [held] = transact(engine, lambda db: claim_open_sessions(db, now=late, limit=10))

    first = transact(engine, lambda db: abandon_overdue(db, now=late))
    second = transact(engine, lambda db: abandon_overdue(db, now=late))
    answered = transact(engine, lambda db: write_answers(db, [Fetched(held, StillRunning(), late, held_s=1.0)]))

    assert first == [GivenUp(held.check_session_id, "Checkout", "timeout", 3602.0)]
    assert (second, answered.given_up) == ([], [])


def test_what_is_given_up_unasked_while_checkly_refuses_is_named_too(recorder: Harness) -> None:
    recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="completion", status=403, count=None))
    names = {str(open_session(recorder.engine, f"one {number}", timeout=timedelta(minutes=10))) for number in range(3)}

    with capture_logs() as said, recorder.walking_clock(pace=300):
        follow(recorder.parts, scope=None)

    lines = [line for line in said if line["event"] == "a session is given up"]
    assert {line["session"] for line in lines} == names
    assert {line["reason"] for line in lines} == {"timeout"}
    assert {line["last_answers"] for line in lines} <= {"403", "none"}


def test_a_check_without_a_name_is_given_up_under_its_id(engine: Engine) -> None:
    open_session(engine, name=None)

    [given_up] = transact(engine, lambda db: abandon_overdue(db, now=NOW + timedelta(hours=1) + OVERDUE_AFTER))

    assert given_up.check == CHECK_ID


def test_a_server_that_fails_is_not_a_line_for_each_question(recorder: Harness) -> None:
    """It was: 198 lines in half a minute for three sessions."""
    started = trigger(recorder)
    recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="completion", count=4 * len(started), status=503))

    with capture_logs() as said, recorder.walking_clock():
        follow(recorder.parts, scope=started)

    lines = [line for line in said if line["event"] == "no answer about sessions"]
    assert [line["reason"] for line in lines] == ["http_5xx"] * 2  # at once, and what was kept back at the end
    assert sum(line["requests"] for line in lines) == 4 * len(started)
