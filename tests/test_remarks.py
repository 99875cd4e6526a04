"""What the log says about sessions being followed: enough to act on, and never a line for each answer."""

from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from recorder.errors import ChecklyError, NoSuchThing, TryLater
from recorder.following import Answer
from recorder.learning import ChangedCheck
from recorder.open_sessions import GivenUp, OpenSession
from recorder.outage import SAY_AGAIN_S
from recorder.pacing import NewRegime
from recorder.payloads import StillRunning
from recorder.remarks import NAMED_A_MINUTE, Remarks
from tests.factories import NOW, running, session, snapshot, some_id
from tests.recording import HandClock

BROKEN: Final = TryLater("GET /v2/x: 503 (ask again later)", reason="http_5xx", http_status=503)
UNKNOWN: Final = NoSuchThing("GET /v2/x: 404", reason="not_found", http_status=404)
HELD_S: Final = 30.0


class Listener:
    """A recorder's remarks, made by a clock that stands still, and the lines they became."""

    def __init__(self, lines: list[MutableMapping[str, Any]]) -> None:
        self.clock = HandClock()
        self.remarks = Remarks(self.clock.monotonic)
        self._lines = lines

    def hear(self, answer: Answer, *names: str, held_s: float = HELD_S, times: int = 1) -> None:
        for name in (names or ("one",)) * times:
            self.remarks.heard(known(name), answer, at=NOW, held_s=held_s)
        self.remarks.tell()

    def give_up(self, *names: str, reason: str = "timeout") -> None:
        self.remarks.given_up([GivenUp(UUID(some_id(name)), "Checkout", reason, 3600.0) for name in names])

    def pass_a_minute(self) -> None:
        self.clock.ahead_s += SAY_AGAIN_S
        self.remarks.tell()

    def said(self) -> list[str]:
        """The events since the last look, with their level."""
        events = [f"{line['log_level']}: {line['event']}" for line in self._lines]
        self._lines.clear()
        return events

    def facts(self) -> list[dict[str, Any]]:
        """What the lines since the last look hold beside event and level."""
        facts = [{k: v for k, v in line.items() if k not in ("event", "log_level")} for line in self._lines]
        self._lines.clear()
        return facts


@pytest.fixture
def log() -> Iterator[Listener]:
    with capture_logs() as lines:
        yield Listener(lines)


def known(name: str) -> OpenSession:
    session_id = snapshot(session(name)).check_session_id
    return OpenSession(7, session_id, "schedule", NOW + timedelta(hours=1), None, None, None, recorded_at=NOW)


def test_a_session_given_up_is_named_with_its_check_its_age_and_the_last_answers(log: Listener) -> None:
    log.hear(StillRunning(), times=40)
    log.hear(snapshot(running(status="THINKING")))
    log.hear(BROKEN, times=2)
    log.facts()

    log.give_up("one")

    assert log.facts() == [
        {
            "session": some_id("one"),
            "check": "Checkout",
            "reason": "timeout",
            "followed_s": 3600.0,
            "last_answers": "still running x40, status THINKING, 503 x2",
        }
    ]


def test_thousands_given_up_at_once_are_a_few_lines_and_a_count(log: Listener) -> None:
    log.give_up(*(f"late {n}" for n in range(2000)))
    log.give_up(*(f"lost {n}" for n in range(5)), reason="gone")
    at_once = log.said()

    log.pass_a_minute()

    assert at_once == ["warning: a session is given up"] * NAMED_A_MINUTE
    assert log.facts() == [{"more": 2005 - NAMED_A_MINUTE, "timeout": 2000 - NAMED_A_MINUTE, "gone": 5}]


def test_a_minute_after_a_flood_sessions_are_named_again(log: Listener) -> None:
    log.give_up(*(f"late {n}" for n in range(NAMED_A_MINUTE)))
    log.pass_a_minute()
    log.said()

    log.give_up("another")

    assert log.said() == ["warning: a session is given up"]


def test_a_session_that_was_never_asked_for_has_no_last_answers(log: Listener) -> None:
    """Its deadline passed while Checkly refused."""
    log.give_up("one")

    assert log.facts()[0]["last_answers"] == "none"


def test_what_was_answered_is_forgotten_with_the_session(log: Listener) -> None:
    """Else a daemon that runs for a year would remember every session."""
    log.hear(StillRunning())
    log.hear(snapshot(session()))

    log.give_up("one")

    assert log.facts()[0]["last_answers"] == "none"


@pytest.mark.parametrize("error", [BROKEN, UNKNOWN])
def test_one_kind_of_trouble_is_a_line_a_minute_with_how_many_sessions_it_concerns(
    log: Listener, error: ChecklyError
) -> None:
    log.hear(error, "one", "two", "three")
    log.hear(error, "one", "two", times=30)
    at_once = log.facts()

    log.pass_a_minute()

    about = {"reason": error.reason, "error": str(error)}
    assert at_once == [{**about, "sessions": 3, "requests": 3}]
    assert log.facts() == [{**about, "sessions": 2, "requests": 60}]


def test_two_kinds_of_trouble_do_not_hide_each_other(log: Listener) -> None:
    log.hear(BROKEN)
    log.hear(UNKNOWN)

    assert [facts["reason"] for facts in log.facts()] == ["http_5xx", "not_found"]


def test_the_end_of_a_trouble_is_said_once(log: Listener) -> None:
    log.hear(BROKEN)
    log.hear(StillRunning())
    during = log.said()

    for _ in range(3):
        log.pass_a_minute()

    assert during == ["warning: no answer about sessions"]
    assert log.said() == ["info: sessions are answered for again"]


def test_silence_is_not_the_end_of_a_trouble(log: Listener) -> None:
    """A server that was not asked has not recovered."""
    log.hear(BROKEN)
    log.pass_a_minute()

    assert log.said() == ["warning: no answer about sessions"]


@pytest.mark.parametrize("unheld", [StillRunning(), snapshot(running(status="PROGRESS"))])
def test_answers_that_are_not_held_are_said_once_and_their_end_is(log: Listener, unheld: Answer) -> None:
    log.hear(unheld, held_s=0.1, times=50)
    at_once = log.facts()
    log.pass_a_minute()
    log.hear(unheld, held_s=0.1, times=50)
    meanwhile = log.said()
    log.hear(StillRunning(), times=50)

    assert at_once == [{"asked_s": 30, "held_s": 0.1}]
    assert meanwhile == []
    assert log.said() == ["info: answers are held again"]


def test_a_single_answer_that_comes_too_soon_is_no_news(log: Listener) -> None:
    """A proxy that restarts cuts whoever waits at it."""
    for _ in range(10):
        log.hear(StillRunning(), held_s=0.1, times=2)
        log.hear(StillRunning())

    assert log.said() == []


def test_who_asked_for_a_short_wait_misses_none(log: Listener) -> None:
    """A session that ends, or that was given up, is asked for with the shortest wait there is."""
    settling = replace(known("one"), settling_since=NOW)

    for _ in range(10):
        log.remarks.heard(settling, StillRunning(), at=NOW, held_s=0.1)

    assert log.said() == []


def test_a_server_that_holds_now_and_now_not_is_a_line_a_minute_at_most(log: Listener) -> None:
    for _ in range(20):
        log.hear(StillRunning(), held_s=0.1, times=5)
        log.hear(StillRunning(), times=5)

    assert log.said() == ["warning: answers are not held, sessions cost more requests"]


def test_a_stop_leaves_nothing_unsaid(log: Listener) -> None:
    log.hear(BROKEN)
    log.hear(BROKEN, "two")
    log.give_up(*(f"late {n}" for n in range(NAMED_A_MINUTE + 1)))
    log.said()

    log.remarks.tell_rest()

    assert log.said() == ["warning: no answer about sessions", "warning: more sessions are given up"]


def test_a_check_that_takes_another_time_is_named_with_both(log: Listener) -> None:
    log.remarks.changed([ChangedCheck("Checkout (API)", NewRegime(31.24, 3.0, 20))])
    [longer] = log.facts()
    log.remarks.changed([ChangedCheck("Checkout (API)", NewRegime(3.0, 31.24, 3))])

    assert longer == {"check": "Checkout (API)", "took_s": 31.2, "used_to_take_s": 3.0, "median_of": 20}
    assert log.said() == ["info: a check takes another time than it used to"]


def test_when_every_check_gets_slower_at_once_a_few_are_named_and_the_others_counted(log: Listener) -> None:
    log.remarks.changed([ChangedCheck(f"check {n}", NewRegime(30.0, 3.0, 20)) for n in range(500)])
    at_once = log.said()

    log.pass_a_minute()

    assert at_once == ["warning: a check takes another time than it used to"] * NAMED_A_MINUTE
    assert log.facts() == [{"more": 500 - NAMED_A_MINUTE, "longer": 500 - NAMED_A_MINUTE}]
