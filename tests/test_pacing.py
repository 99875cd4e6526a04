"""The request budget: never more than was promised, whatever the callers do."""

import threading
from dataclasses import dataclass
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.budget import RequestBudget
from recorder.errors import TryLater
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


@pytest.mark.parametrize(("retry_after_s", "pause_s"), [(None, 5), (0, 0), (20, 20)])
def test_a_429_holds_everything_back_for_as_long_as_checkly_wishes(retry_after_s: float | None, pause_s: float) -> None:
    clock = HandClock()
    budget = RequestBudget(540, monotonic=clock)

    budget.heed(TryLater("", reason="rate_limited", http_status=429, retry_after_s=retry_after_s))

    clock.at = pause_s - 0.01
    assert (pause_s == 0) or budget.take_for_reads(1) == 0
    clock.at = pause_s + 10
    assert budget.take_for_reads(1) == 1


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
