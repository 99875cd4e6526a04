"""The request budget: never more than was promised, whatever the callers do."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from recorder.budget import RequestBudget
from recorder.pacing import TokenBucket


@given(
    per_minute=st.floats(min_value=1, max_value=5_000),
    waits=st.lists(st.floats(min_value=0, max_value=5), min_size=1, max_size=300),
)
def test_in_no_minute_more_leaves_than_the_budget_and_its_burst(per_minute: float, waits: list[float]) -> None:
    bucket = TokenBucket.full(per_minute=per_minute, at=0.0)
    at, left = 0.0, []
    for wait in waits:
        at += wait
        if bucket.wait_s(at) == 0.0:
            left.append(at)

    for first in left:
        in_this_minute = sum(first <= moment < first + 60 for moment in left)
        assert in_this_minute <= per_minute + bucket.burst + 1e-6


def test_the_default_budget_stays_below_what_checkly_allows() -> None:
    """600 in 60 seconds, burst included."""
    bucket = TokenBucket.full(per_minute=540, at=0.0)

    assert bucket.per_minute + bucket.burst <= 600


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
