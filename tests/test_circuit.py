"""A Checkly that refuses is asked once in a quarter of an hour, whatever comes of that, and people are told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from recorder import roster
from recorder.circuit import OPENED_BY, PROBE_EVERY_S, Circuit, Refusal
from recorder.db import transact
from recorder.errors import BadAnswer, ChecklyError, NoSuchThing, NotSent, PerhapsSent, Refused, TryLater
from recorder.surveying import status
from tests.factories import NOW

NO_KEY = Refused("GET ...: 401 (check CHECKLY_API_KEY)", reason="401", http_status=401)


@dataclass
class Stand:
    """A circuit and its clock; `number` is what was admitted last."""

    at: float = 0.0
    number: int = -1

    def __post_init__(self) -> None:
        self.circuit = Circuit("sessions", now=lambda: NOW + timedelta(seconds=self.at), monotonic=lambda: self.at)

    def admitted(self, *moments: float) -> list[bool]:
        """Whether something may be sent at each of these moments, in seconds."""
        found = []
        for self.at in moments:
            number = self.circuit.admit()
            found.append(number is not None)
            self.number = self.number if number is None else number
        return found

    def hear(self, error: ChecklyError | None) -> None:
        """Let this come of what was admitted last."""
        self.circuit.heed(self.number, error)


def opened() -> Stand:
    """A circuit that was opened at 0 by the last of its requests."""
    stand = Stand()
    assert stand.admitted(0) == [True]
    stand.hear(NO_KEY)
    return stand


@pytest.mark.parametrize("reason", sorted(OPENED_BY))
def test_a_refusal_lets_one_probe_in_a_quarter_of_an_hour_through(reason: str) -> None:
    stand = Stand()
    assert stand.admitted(0, 0, 0) == [True, True, True]

    stand.hear(Refused("", reason=reason))

    assert stand.admitted(1, 899, 900, 901, 1799, 1800) == [False, False, True, False, False, True]


@pytest.mark.parametrize("good", [None, NoSuchThing("", reason="not_found")])
def test_a_good_answer_to_the_probe_closes_the_circuit(good: ChecklyError | None) -> None:
    """A 404 was said to somebody who may ask."""
    stand = opened()
    assert stand.admitted(PROBE_EVERY_S) == [True]

    stand.hear(good)

    assert stand.circuit.refusal is None
    assert stand.admitted(901, 902, 903) == [True, True, True]


SAYS_NOTHING_ABOUT_RIGHTS = [
    TryLater("", reason="http_5xx"),
    TryLater("", reason="rate_limited"),
    TryLater("", reason="read_timeout"),
    PerhapsSent("", reason="conn_reset"),
    BadAnswer("", reason="bad_body"),
    Refused("", reason="400"),
]


@pytest.mark.parametrize("error", SAYS_NOTHING_ABOUT_RIGHTS)
def test_what_says_nothing_about_rights_opens_nothing(error: ChecklyError) -> None:
    stand = Stand()
    assert stand.admitted(0) == [True]

    stand.hear(error)

    assert stand.circuit.refusal is None


@pytest.mark.parametrize("error", SAYS_NOTHING_ABOUT_RIGHTS)
def test_a_probe_that_was_sent_is_the_one_of_these_fifteen_minutes_whatever_came_of_it(error: ChecklyError) -> None:
    """With the next one due at once, a Checkly that is down would be asked as often as the feeder looks."""
    stand = opened()
    assert stand.admitted(PROBE_EVERY_S) == [True]

    stand.hear(error)

    assert stand.circuit.refusal is not None
    assert stand.admitted(902, 1799, 1800) == [False, False, True]


@pytest.mark.parametrize("is_told", [True, False], ids=["not sent", "given back"])
def test_a_probe_that_never_left_is_due_still(*, is_told: bool) -> None:
    stand = opened()
    assert stand.admitted(PROBE_EVERY_S) == [True]

    if is_told:
        stand.hear(NotSent("", reason="network"))
    else:
        stand.circuit.give_back(stand.number)

    assert stand.admitted(PROBE_EVERY_S + 1, PROBE_EVERY_S + 2) == [True, False]


@pytest.mark.parametrize("late", [None, NoSuchThing("", reason="not_found"), NotSent("", reason="network"), NO_KEY])
def test_what_was_under_way_when_it_opened_neither_closes_it_nor_frees_a_probe(late: ChecklyError | None) -> None:
    """Long polls of a key that was revoked end well for half a minute more."""
    stand = opened()
    before = stand.circuit.refusal

    stand.at = 1.0
    stand.hear(late)
    stand.circuit.give_back(stand.number)

    assert stand.circuit.refusal is before
    assert stand.admitted(2, 899) == [False, False]


def test_a_refusal_that_comes_after_a_later_probe_was_answered_opens_nothing() -> None:
    stand = opened()
    under_way = stand.number
    assert stand.admitted(PROBE_EVERY_S) == [True]
    stand.hear(None)

    stand.circuit.heed(under_way, NO_KEY)

    assert stand.circuit.refusal is None


def test_since_when_it_is_refused_stands_while_it_lasts() -> None:
    stand = Stand()
    for moment in (10, 1000, 2000):
        assert stand.admitted(moment) == [True]
        stand.hear(NO_KEY)

    assert stand.circuit.refusal == Refusal(NOW + timedelta(seconds=10), str(NO_KEY))


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
