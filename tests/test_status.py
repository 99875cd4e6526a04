"""`recorder status`: what is recorded, what is open, and what a person should know."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from recorder.db import transact
from recorder.inspecting import status
from recorder.open_sessions import abandon_overdue, claim_open_sessions, postpone
from recorder.store import Postponement
from tests.factories import NOW, open_session, record, session

STARTED = datetime(2026, 11, 18, 11, 0, tzinfo=UTC)


def test_status_counts_what_is_there_and_what_is_open(engine: Engine) -> None:
    """One final session, one that is followed, one imported without an end."""
    record(engine, session("one"))
    open_session(engine, "two", startedAt="2026-11-18T11:30:00.000Z")
    record(engine, session("three", [], status="NEW_STATUS"))

    found = status(engine, now=NOW)

    assert found["sessions"] == {
        "recorded": 3,
        "final": 1,
        "followed": 1,
        "last_started_at": STARTED + timedelta(minutes=30),
        "results": 2,
    }
    assert [(one["what"], one["times"]) for one in found["contract_surprises"]] == [("status=NEW_STATUS", 1)]
    assert (found["fires"], found["schedules"], found["unreadable"], found["abandoned"]) == ([], [], [], [])
    assert found["health"] == {"state": "ok", "since": None, "why": None, "notes": []}


def test_status_of_an_empty_history_is_all_zero(engine: Engine) -> None:
    sessions = status(engine, now=NOW)["sessions"]

    assert sessions.pop("last_started_at") is None
    assert set(sessions.values()) == {0}


def test_status_tells_sessions_that_are_given_up_apart_by_reason_and_counts_none_as_followed(engine: Engine) -> None:
    """One is asked for hourly still, one was forgotten by Checkly; one ended after all, and is no concern any more."""
    for name in ("late", "ended after all"):
        open_session(engine, name)
    transact(engine, lambda work: abandon_overdue(work, now=NOW + timedelta(hours=1)))
    record(engine, session("ended after all"))
    open_session(engine, "forgotten")
    [held] = transact(engine, lambda work: claim_open_sessions(work, now=NOW, limit=10))
    gone = Postponement(held.pk, None, abandoned_at=NOW, abandoned_reason="gone")
    transact(engine, lambda work: postpone(work, [gone]))

    found = status(engine, now=NOW + timedelta(hours=24, seconds=1))

    assert found["abandoned"] == [
        {"reason": "gone", "sessions": 1, "last_24_hours": 0},
        {"reason": "timeout", "sessions": 1, "last_24_hours": 1},
    ]
    assert (found["sessions"]["recorded"], found["sessions"]["final"], found["sessions"]["followed"]) == (3, 1, 0)
    assert found["health"]["state"] == "ok"
    assert found["health"]["notes"] == ["sessions given up in the last 24 hours: 1 timeout"]
