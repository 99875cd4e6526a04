"""A database that is away is one line in the log, and one when it is back, however many threads meet it."""

from collections.abc import Iterator

import pytest
import stamina
import structlog
from structlog.testing import capture_logs

from recorder import logs
from recorder.outage import SAY_AGAIN_S, Outage, Sayings
from tests.recording import HandClock


class Away(Exception):
    """What a driver raises."""


def try_once(outage: Outage, *, fails: bool) -> None:
    try:
        with outage.watch(lambda error: isinstance(error, Away)):
            if fails:
                raise Away("connection refused\nIs the server running?")
    except Away:
        pass


def test_many_tries_during_one_outage_are_one_line_and_its_end_another() -> None:
    outage = Outage("postgresql://host/history", replay_for_s=20.0, monotonic=HandClock().monotonic)

    with capture_logs() as said:
        for fails in (False, True, True, True, False, False):
            try_once(outage, fails=fails)

    assert [line["event"] for line in said] == [
        "the database is away or busy, the work is tried again",
        "the database can be used again",
    ]
    named = {"database": "postgresql://host/history", "error": "connection refused", "for_s": 20.0}
    assert said[0].items() >= named.items()


def test_a_long_outage_is_said_again_after_a_minute_and_a_flicker_is_not() -> None:
    clock = HandClock()
    outage = Outage("postgresql://host/history", replay_for_s=20.0, monotonic=clock.monotonic)

    with capture_logs() as said:
        for fails in (True, False, True, False):
            try_once(outage, fails=fails)
        clock.ahead_s += SAY_AGAIN_S
        try_once(outage, fails=True)

    assert [line["event"].split(",")[0] for line in said] == [
        "the database is away or busy",
        "the database can be used again",
        "the database is away or busy",
    ]


def test_what_trying_again_does_not_mend_is_no_outage() -> None:
    outage = Outage("sqlite:///history.db", replay_for_s=20.0, monotonic=HandClock().monotonic)

    with capture_logs() as said, pytest.raises(KeyError), outage.watch(lambda _: False):
        raise KeyError("column")

    assert said == []


@pytest.fixture
def logging_as_in_life() -> Iterator[None]:
    logs.set_up("info", as_json=False)
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("logging_as_in_life")
def test_the_retries_themselves_say_nothing() -> None:
    """A dozen lines for each unit of work named neither the database nor what is done about it."""
    tries: list[int] = []

    with capture_logs() as said:
        for attempt in stamina.retry_context(on=Away, attempts=2, wait_initial=0.0, wait_jitter=0.0):
            with attempt:
                tries.append(attempt.num)
                if attempt.num == 1:
                    raise Away

    assert (tries, said) == ([1, 2], [])


def test_a_sentence_is_news_once_a_minute() -> None:
    """Four senders and a heartbeat meet the same trouble, again and again."""
    clock = HandClock()
    sayings = Sayings(clock.monotonic)

    first = [sayings.is_news(sentence) for sentence in ("away", "away", "full", "away")]
    clock.ahead_s += SAY_AGAIN_S

    assert first == [True, False, True, False]
    assert [sayings.is_news("away"), sayings.is_news("away")] == [True, False]
