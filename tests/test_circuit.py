"""A Checkly that refuses is asked once in a quarter of an hour, what was due is written down, and people are told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from recorder import roster
from recorder.circuit import OPENED_BY, PROBE_EVERY_S, Circuit, Refusal
from recorder.db import transact
from recorder.errors import BadAnswer, ChecklyError, NoSuchThing, NotSent, Refused, TryLater
from recorder.foreground import follow
from recorder.simulator.faults import Fault, FaultKind
from recorder.surveying import status
from tests.factories import NOW, open_session, rows
from tests.recording import harness, schedule

NO_KEY = Refused("GET ...: 401 (check CHECKLY_API_KEY)", reason="401", http_status=401)


@dataclass
class Stand:
    """A circuit and its clock."""

    at: float = 0.0

    def __post_init__(self) -> None:
        self.circuit = Circuit("sessions", now=lambda: NOW + timedelta(seconds=self.at), monotonic=lambda: self.at)

    def admitted(self, *moments: float) -> list[bool]:
        found = []
        for self.at in moments:
            found.append(self.circuit.admits())
        return found


@pytest.mark.parametrize("reason", sorted(OPENED_BY))
def test_a_refusal_lets_one_probe_in_a_quarter_of_an_hour_through(reason: str) -> None:
    stand = Stand()
    assert stand.admitted(0, 0, 0) == [True, True, True]

    stand.circuit.heed(Refused("", reason=reason))

    assert stand.admitted(1, 899, 900, 901, 1799, 1800) == [False, False, True, False, False, True]


@pytest.mark.parametrize("good", [None, NoSuchThing("", reason="not_found")])
def test_an_answer_closes_the_circuit(good: ChecklyError | None) -> None:
    """A 404 was said to somebody who may ask."""
    stand = Stand()
    stand.circuit.heed(NO_KEY)

    stand.circuit.heed(good)

    assert stand.circuit.refusal is None
    assert stand.admitted(1, 2, 3) == [True, True, True]


@pytest.mark.parametrize(
    "error",
    [
        NotSent("", reason="network"),
        TryLater("", reason="http_5xx"),
        TryLater("", reason="rate_limited"),
        BadAnswer("", reason="bad_body"),
        Refused("", reason="400"),
    ],
)
def test_what_says_nothing_about_rights_neither_opens_nor_closes(error: ChecklyError) -> None:
    closed, opened = Stand(), Stand()
    opened.circuit.heed(NO_KEY)

    for stand in (closed, opened):
        stand.circuit.heed(error)

    assert closed.circuit.refusal is None
    assert opened.circuit.refusal is not None


def test_a_probe_that_learned_nothing_is_due_still() -> None:
    stand = Stand()
    stand.circuit.heed(NO_KEY)
    assert stand.admitted(PROBE_EVERY_S) == [True]

    stand.circuit.heed(NotSent("", reason="network"))

    assert stand.admitted(PROBE_EVERY_S + 1) == [True]


def test_since_when_it_is_refused_stands_while_it_lasts() -> None:
    stand = Stand()
    for stand.at in (10, 1000, 2000):
        stand.circuit.heed(NO_KEY)

    assert stand.circuit.refusal == Refusal(NOW + timedelta(seconds=10), str(NO_KEY))


def test_fires_of_a_refused_recorder_are_skipped_and_written_down(sqlite_engine: Engine, tmp_path: Path) -> None:
    """The first is rejected, those of the next quarter of an hour are not sent, then one goes through and all do."""
    with harness(sqlite_engine, tmp_path, schedule(every="5m", more='overlap = "allow"')) as recorder:
        recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="trigger", status=401, count=1))
        for number in range(6):
            recorder.clock.advance(minutes=5)
            recorder.clock.ahead_s = 300.0 * number
            recorder.triggering.work()

    assert recorder.fires() == [
        "rejected: 401",
        "skipped: circuit_open",
        "skipped: circuit_open",
        "triggered",
        "triggered",
        "triggered",
    ]
    assert recorder.triggers_received() == 4


def test_sessions_of_a_refused_recorder_are_asked_for_once_and_given_up_at_their_deadline(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    with harness(sqlite_engine, tmp_path) as recorder:
        recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="completion", status=403, count=None))
        for number in range(20):
            open_session(sqlite_engine, f"one {number}", timeout=timedelta(minutes=10))
        with recorder.walking_clock(pace=200):
            followed = follow(recorder.parts, scope=None)

        asked = recorder.checkly.witness().requests.get("completion", 0)
    assert followed.still_open == 0
    assert asked <= 20
    assert rows(sqlite_engine, "SELECT DISTINCT abandoned_reason FROM check_sessions") == [("timeout",)]
    assert recorder.parts.refusal is not None


def test_status_says_since_when_and_why_a_daemon_is_refused(engine: Engine) -> None:
    beat(engine, refusal=Refusal(NOW - timedelta(minutes=3), str(NO_KEY)))

    health = status(engine, now=NOW)["health"]

    assert health == {"state": "failing", "since": NOW - timedelta(minutes=3), "why": str(NO_KEY), "notes": []}


def test_status_is_well_again_when_the_daemon_is_answered_again(engine: Engine) -> None:
    me = beat(engine, refusal=Refusal(NOW, str(NO_KEY)))

    transact(engine, lambda db: roster.beat(db, owner=me, now=NOW + timedelta(minutes=5)))

    assert status(engine, now=NOW)["health"]["state"] == "ok"


def test_a_daemon_that_was_killed_while_it_was_refused_says_nothing_any_more(engine: Engine) -> None:
    beat(engine, refusal=Refusal(NOW, str(NO_KEY)))

    beat(engine, now=NOW + timedelta(minutes=5))

    assert status(engine, now=NOW)["health"]["state"] == "ok"


def beat(engine: Engine, *, refusal: Refusal | None = None, now: datetime = NOW) -> UUID:
    """A new daemon and its first sign of life."""
    me = uuid4()
    transact(engine, lambda db: roster.sign_in(db, owner=me, host="here", pid=1, now=now))
    transact(engine, lambda db: roster.beat(db, owner=me, now=now, refusal=refusal))
    return me
