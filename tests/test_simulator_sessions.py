"""The life of one session: planned whole, shown piece by piece, cut short by a cancellation."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from recorder.simulator.scenarios import Kind, Scenario
from recorder.simulator.sessions import (
    Outcome,
    SessionPlan,
    cancel_session,
    plan_session,
    view_session,
    view_unfinished,
)
from recorder.simulator.world import default_world
from tests.simulator_caller import NOON

WORLD = default_world(seed=1)


def planned(name: str, *scenarios: Scenario, seed: int = 1, run_number: int = 0) -> SessionPlan:
    return plan_session(
        WORLD.named(name),
        account_id=WORLD.account_id,
        run_number=run_number,
        started_at=NOON,
        run_source="TRIGGER_API",
        rng=Random(seed),  # noqa: S311  seeded on purpose
        scenarios=scenarios,
    )


def outage_of(name: str, location: str | None = None) -> Scenario:
    return Scenario("outage", Kind.OUTAGE, name, location=location)


def test_the_same_seed_draws_the_same_session() -> None:
    """Ids, outcomes and times follow from the arguments alone."""
    assert planned("Checkout flow", seed=7) == planned("Checkout flow", seed=7)
    assert planned("Checkout flow", seed=7).session_id != planned("Checkout flow", seed=8).session_id


def test_a_quiet_session_goes_from_started_over_progress_to_passed() -> None:
    """Results appear one by one and the last one only with the final state."""
    plan = planned("Search results")
    moments = sorted({0, *(one.started_ms for one in plan.tries), *(one.stopped_ms for one in plan.tries)})
    views = [view_session(plan, moment) for moment in [*moments, plan.duration_ms]]

    statuses = [view.status for view in views]
    assert statuses[0] == "STARTED"
    assert set(statuses[1:-1]) == {"PROGRESS"}
    assert statuses[-1] == "PASSED"
    assert [len(view.tries) for view in views] == sorted(len(view.tries) for view in views)
    assert [view.is_final for view in views] == [False] * len(moments) + [True]
    assert len(views[-2].tries) < len(views[-1].tries) == len(plan.run_locations)


def test_a_failing_check_retries_and_each_failed_try_is_an_attempt() -> None:
    """Two retries: two ATTEMPTs and one FINAL at every location, one after the other."""
    plan = planned("Payments API", outage_of("Payments API"))

    for chain, location in enumerate(plan.run_locations):
        tries = [one for one in plan.tries if one.chain == chain]
        assert [one.result_type for one in tries] == ["ATTEMPT", "ATTEMPT", "FINAL"]
        assert {one.location for one in tries} == {location}
        assert all(early.stopped_ms < late.started_ms for early, late in pairwise(tries))
    assert view_session(plan, math.inf).status == "FAILED"


def test_a_failed_try_makes_progress_failed_while_the_session_runs_on() -> None:
    """PROGRESS_FAILED is still running, and may even end as PASSED."""
    plan = planned("Checkout flow", outage_of("Checkout flow", "eu-west-1"))
    first_failure = min(one.stopped_ms for one in plan.tries if one.result_type == "ATTEMPT")

    view = view_session(plan, first_failure)

    assert (view.status, view.is_final) == ("PROGRESS_FAILED", False)


def test_one_failed_location_fails_the_session() -> None:
    """A session is as bad as its worst FINAL."""
    plan = planned("Checkout flow", outage_of("Checkout flow", "eu-west-1"))
    finals = {one.location: one.outcome for one in plan.tries if one.result_type == "FINAL"}

    assert finals["eu-west-1"].is_failing
    assert finals["us-east-1"] is Outcome.PASSED
    assert view_session(plan, math.inf).status == "FAILED"


def test_a_degraded_location_makes_the_session_degraded_and_its_progress_too() -> None:
    """Degraded is told apart from failed and passed, also while running."""
    quiet = planned("Search results")
    first = min(quiet.tries, key=lambda one: one.stopped_ms)
    plan = replace(
        quiet,
        tries=tuple(one._replace(outcome=Outcome.DEGRADED) if one is first else one for one in quiet.tries),
    )

    assert view_session(plan, first.stopped_ms).status == "PROGRESS_DEGRADED"
    assert view_session(plan, math.inf).status == "DEGRADED"


def test_time_elapsed_covers_every_result() -> None:
    """The session's wall clock includes queueing, retries and the slowest location."""
    for seed in range(50):
        plan = planned("Checkout flow", outage_of("Checkout flow", "eu-west-1"), seed=seed)
        assert plan.duration_ms > max(one.stopped_ms for one in plan.tries)


def test_a_round_robin_check_takes_one_location_per_session_in_turn() -> None:
    """Four sessions visit four locations."""
    sessions = [planned("Status page", run_number=number) for number in range(4)]

    assert [len(plan.run_locations) for plan in sessions] == [1, 1, 1, 1]
    assert {plan.run_locations[0] for plan in sessions} == set(WORLD.named("Status page").locations)


def test_a_round_robin_retry_may_move_to_another_location() -> None:
    """An ATTEMPT and its FINAL can differ in where they ran; a parallel check's never do."""
    plans = [planned("Status page", outage_of("Status page"), seed=seed) for seed in range(40)]
    moved = [plan for plan in plans if len({one.location for one in plan.tries}) > 1]

    assert 0 < len(moved) < len(plans)


def test_an_unending_session_never_shows_its_last_result() -> None:
    """However late it is."""
    view = view_unfinished(planned("Search results"), 10**9)

    assert (view.status, view.is_final, len(view.tries)) == ("PROGRESS", False, 2)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_a_cancelled_session_ends_at_once_with_a_cancelled_result_per_location(share: float) -> None:
    """Nothing of it lies in the future any more."""
    plan = planned("End-to-end suite")
    now_ms = plan.duration_ms * share

    cancelled = cancel_session(plan, now_ms)

    view = view_session(cancelled, now_ms)
    assert (view.status, view.is_final, view.elapsed_ms) == ("CANCELLED", True, int(now_ms))
    assert {one.location for one in view.tries} == set(plan.run_locations)
    assert all(0 <= one.started_ms <= one.stopped_ms <= now_ms for one in view.tries)
    assert all(one.outcome is Outcome.CANCELLED for one in view.tries)


def test_cancelling_one_sequence_leaves_the_others_running() -> None:
    """`sequenceId` names a location's tries."""
    plan = planned("End-to-end suite")

    cancelled = cancel_session(plan, plan.duration_ms / 2, frozenset({plan.sequence_id(0)}))

    outcomes = [one.outcome for one in cancelled.tries]
    assert outcomes == [Outcome.CANCELLED, plan.tries[1].outcome]
    assert not view_session(cancelled, plan.duration_ms / 2).is_final


def test_an_attempt_that_ended_before_the_cancellation_stays() -> None:
    """Only what still ran is cut."""
    plan = planned("End-to-end suite", outage_of("End-to-end suite", "us-east-1"))
    attempt = next(one for one in plan.tries if one.result_type == "ATTEMPT")

    cancelled = cancel_session(plan, attempt.stopped_ms + 1)

    assert attempt in cancelled.tries


def test_cancelling_a_finished_session_changes_nothing() -> None:
    """A final state is final."""
    plan = planned("End-to-end suite")

    assert cancel_session(plan, plan.duration_ms) == plan
    assert cancel_session(plan, math.inf) == plan
