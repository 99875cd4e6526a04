"""The request budget: never more than was promised, whatever the callers do."""

import threading
from dataclasses import dataclass
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.budget import RequestBudget
from recorder.errors import ChecklyError, NotSent, PerhapsSent, TryLater
from recorder.pacing import TokenBucket


@dataclass
class HandClock:
    """A monotonic clock that stands still until it is moved."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at


@given(
    per_minute=st.floats(min_value=1, max_value=5_000),
    waits=st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=300),
)
def test_in_no_minute_more_leaves_than_the_budget(per_minute: float, waits: list[float]) -> None:
    bucket = TokenBucket.full(per_minute=per_minute, at=0.0)
    at, left = 0.0, []
    for wait in waits:
        at += wait
        if bucket.wait_s(at) == 0.0:
            left.append(at)

    for first in left:
        in_this_minute = sum(first <= moment < first + 60 for moment in left)
        assert in_this_minute <= ceil(per_minute)


@pytest.mark.parametrize("per_minute", [1, 10, 54, 540, 600])
def test_whoever_always_waits_gets_nearly_the_whole_budget_and_never_more(per_minute: int) -> None:
    """600 is what Checkly allows: who asks for all of it meets no 429."""
    bucket = TokenBucket.full(per_minute=per_minute, at=0.0)
    at, left = 0.0, []
    while at < 600:
        if wait := bucket.wait_s(at):
            at += wait
        else:
            left.append(at)

    busiest = max(sum(first <= moment < first + 60 - 1e-6 for moment in left) for first in left)
    assert busiest == per_minute
    assert len(left) >= 0.94 * per_minute * 10


def test_the_wait_that_is_said_is_enough() -> None:
    bucket = TokenBucket.full(per_minute=60, at=0.0)
    at = 0.0
    for _ in range(10):
        while (wait := bucket.wait_s(at)) > 0:
            at += wait
    assert 6.0 <= at <= 9.0


def test_a_reserve_is_left_for_those_who_go_first() -> None:
    bucket = TokenBucket.full(per_minute=100, at=0.0)

    taken = 0
    while bucket.wait_s(0.0, reserve=2) == 0.0:
        taken += 1

    assert taken == 3
    assert bucket.wait_s(0.0) == 0.0


def test_a_pause_holds_everything_back() -> None:
    bucket = TokenBucket.full(per_minute=600, at=0.0)

    bucket.pause(0.0, seconds=30)

    assert bucket.wait_s(10.0) == 20.0
    assert bucket.wait_s(30.0) == 0.0


def test_after_a_429_the_rate_is_half_and_comes_back_within_ten_minutes() -> None:
    """Somebody else spends requests of the same account; a pause alone would end in the next 429."""
    bucket = TokenBucket.full(per_minute=540, at=0.0)
    bucket.pause(0.0, seconds=5)

    shares = [bucket.share_at(at) for at in (5.0, 150.0, 300.0, 900.0)]

    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(0.5, abs=0.01)
    assert shares[-1] == 1.0


def test_requests_refused_together_slow_the_rate_once() -> None:
    """Three hundred long polls may be under way when the limit is reached."""
    bucket = TokenBucket.full(per_minute=540, at=0.0)

    for _ in range(300):
        bucket.pause(1.0, seconds=5)

    assert bucket.share_at(1.0) == 0.5


def test_a_pause_saves_nothing_up() -> None:
    bucket = TokenBucket.full(per_minute=540, at=0.0)
    bucket.pause(0.0, seconds=600)

    assert bucket.take_up_to(100, 600.0) == 1


@given(
    pauses=st.lists(st.tuples(st.floats(min_value=0, max_value=400), st.floats(min_value=0, max_value=4000))),
    per_minute=st.floats(min_value=1, max_value=5_000),
)
def test_no_row_of_429s_stops_the_budget_for_ever(pauses: list[tuple[float, float]], per_minute: float) -> None:
    bucket = TokenBucket.full(per_minute=per_minute, at=0.0)
    at = 0.0
    for after, seconds in pauses:
        at += after
        bucket.pause(at, seconds=seconds)

    over = max(at, bucket.paused_until)
    assert bucket.wait_s(over + 1200 / per_minute) == 0.0


def limited(retry_after_s: float | None) -> TryLater:
    return TryLater("", reason="rate_limited", http_status=429, retry_after_s=retry_after_s)


def failing(retry_after_s: float | None) -> TryLater:
    return TryLater("", reason="http_5xx", http_status=503, retry_after_s=retry_after_s)


def tokens_until(budget: RequestBudget, clock: HandClock, end: float) -> int:
    """How many tokens reads get until this moment when they look four times a second."""
    taken = 0
    while clock.at < end:
        taken += budget.take_for_reads(1000)
        clock.at += 0.25
    return taken


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        (limited(None), 5),
        (limited(0), 1),
        (limited(20), 20),
        (limited(3600), 3600),
        (failing(20), 20),
        (failing(3600), 60),
        (PerhapsSent("", reason="http_5xx", http_status=503, retry_after_s=20), 20),
    ],
)
def test_everything_is_held_back_for_as_long_as_checkly_wishes(error: ChecklyError, pause_s: float) -> None:
    """After a 429 for a moment at least; after a 5xx, which may be about one session, for a minute at most."""
    clock = HandClock()
    budget = RequestBudget(540, monotonic=clock)

    budget.heed(error)

    clock.at = pause_s - 0.01
    assert budget.take_for_reads(1) == 0
    clock.at = pause_s + 10
    assert budget.take_for_reads(1) == 1


@pytest.mark.parametrize("error", [failing(None), failing(0), NotSent("", reason="network")])
def test_a_failure_that_names_no_time_holds_nothing_back(error: ChecklyError) -> None:
    budget = RequestBudget(540, monotonic=HandClock())

    budget.heed(error)

    assert budget.take_for_reads(15) == 15


def test_three_answers_with_429_and_no_time_to_wait_slow_the_rate_once() -> None:
    """With `Retry-After: 0` each would have been a pause of its own: an eighth of the rate instead of a half."""
    clock = HandClock()
    budget = RequestBudget(540, monotonic=clock)
    for clock.at in (0.0, 0.1, 0.2):
        budget.heed(limited(0))

    assert tokens_until(budget, clock, 31) >= 30 * 540 / 60 * 0.4


def test_a_5xx_that_names_a_time_delays_and_does_not_slow() -> None:
    clock = HandClock()
    budget = RequestBudget(540, monotonic=clock)
    budget.heed(failing(10))

    assert tokens_until(budget, clock, 10) == 0
    assert tokens_until(budget, clock, 70) >= 0.9 * 540


def test_a_session_that_always_fails_leaves_the_others_half_of_the_time() -> None:
    """Its 503 asks for a minute each time; without a limit nobody else would ever be asked for."""
    clock = HandClock()
    budget = RequestBudget(540, monotonic=clock)
    taken = 0
    while clock.at < 1200:
        if budget.take_for_reads(1):
            taken += 1
            budget.heed(failing(60))
        taken += budget.take_for_reads(1000)
        clock.at += 0.25

    assert taken >= 0.4 * 540 * 20


def test_what_is_given_back_in_a_pause_does_not_leave_in_a_burst_when_it_ends() -> None:
    clock = HandClock()
    budget = RequestBudget(540, monotonic=clock)
    unused = budget.take_for_reads(15)
    budget.heed(limited(10))

    budget.give_back(unused)

    clock.at = 10.0
    taken = [budget.take_for_trigger(threading.Event(), at_most_s=-1) for _ in range(16)]
    assert taken.count(True) == 1


@dataclass
class Crowd(threading.Event):
    """A stop flag that is never set: whoever waits for it lets time pass, in which reads take whatever they can."""

    clock: HandClock
    budget: RequestBudget
    reads: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def wait(self, timeout: float | None = None) -> bool:
        until = self.clock.at + (timeout or 0.0)
        while self.clock.at < until:
            self.clock.at = min(self.clock.at + 0.25, until)
            self.reads += self.budget.take_for_reads(100)
        return False


@pytest.mark.parametrize("per_minute", [1, 6, 20, 540])
def test_a_trigger_gets_the_next_token_however_many_reads_want_it(per_minute: int) -> None:
    """At 20 a minute and fewer there is no reserve to keep for it."""
    clock = HandClock()
    budget = RequestBudget(per_minute, monotonic=clock)
    crowd = Crowd(clock, budget)
    waits = []
    for _ in range(20):
        crowd.wait(60 / per_minute + 7)
        asked_at = clock.at
        assert budget.take_for_trigger(crowd, at_most_s=3600)
        waits.append(clock.at - asked_at)

    assert max(waits) <= 60 / per_minute + 0.5
    assert crowd.reads > 0


def test_a_trigger_that_waited_in_vain_finds_its_turn_when_it_comes_back() -> None:
    """A sender looks after other things in between."""
    clock = HandClock()
    budget = RequestBudget(6, monotonic=clock)
    crowd = Crowd(clock, budget)
    assert budget.take_for_trigger(crowd)
    assert not budget.take_for_trigger(crowd, at_most_s=5)

    crowd.wait(5)

    assert crowd.reads == 0
    assert budget.take_for_trigger(crowd, at_most_s=1)
    crowd.wait(20)
    assert crowd.reads > 0


def test_reads_take_what_is_there_and_leave_a_reserve_for_triggers() -> None:
    budget = RequestBudget(540, monotonic=HandClock())

    assert (budget.take_for_reads(10), budget.take_for_reads(1000), budget.take_for_reads(1)) == (10, 5, 0)
    assert budget.take_for_trigger(threading.Event())


def test_waiting_for_a_turn_ends_when_the_process_stops() -> None:
    stop = threading.Event()
    budget = RequestBudget(1, monotonic=lambda: 0.0)
    assert budget.take_for_trigger(stop)

    stop.set()

    assert not budget.take_for_trigger(stop)


def test_a_token_that_was_not_used_can_be_given_back() -> None:
    stop = threading.Event()
    budget = RequestBudget(1, monotonic=lambda: 0.0)
    budget.take_for_trigger(stop)

    budget.give_back()

    assert budget.take_for_trigger(stop)
