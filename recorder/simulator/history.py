"""The seeded past of a world: the sessions that ran before anyone watched."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

from recorder.simulator.payloads import Payload, session_payload_with_results
from recorder.simulator.scenarios import Kind, Scenario, default_scenarios
from recorder.simulator.sessions import SessionPlan, cancel_session, plan_session, view_session
from recorder.simulator.world import Check, World

LONGEST_JITTER_SECONDS: Final = 20
UNIX_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def past_sessions(
    world: World,
    *,
    start: datetime,
    end: datetime,
    scenarios: Sequence[Scenario] | None = None,
    cadence: timedelta | None = None,
    run_source: str = "TRIGGER_API",
) -> Iterator[Payload]:
    """Yield the sessions that started in `[start, end)` as v2 completion payloads, ordered by `startedAt`.

    Every eligible check runs every `frequency_minutes` of its own, or every `cadence`. The scenarios default to
    `default_scenarios(end)`. Equal arguments give equal payloads. Both times are aware UTC.
    """
    for plan in past_plans(world, start=start, end=end, scenarios=scenarios, cadence=cadence, run_source=run_source):
        yield session_payload_with_results(view_session(plan, plan.duration_ms), "v2")


def past_plans(
    world: World,
    *,
    start: datetime,
    end: datetime,
    scenarios: Sequence[Scenario] | None = None,
    cadence: timedelta | None = None,
    run_source: str = "TRIGGER_API",
) -> Iterator[SessionPlan]:
    """Yield the same sessions as plans whose time has run out."""
    story = default_scenarios(end) if scenarios is None else tuple(scenarios)
    runs = [
        _runs_of_check(
            world,
            check,
            start=start,
            end=end,
            every=cadence or timedelta(minutes=check.frequency_minutes),
            offset=timedelta(minutes=place),
            story=story,
            run_source=run_source,
        )
        for place, check in enumerate(world.eligible())
    ]
    yield from heapq.merge(*runs, key=lambda plan: plan.started_at)


def _runs_of_check(
    world: World,
    check: Check,
    *,
    start: datetime,
    end: datetime,
    every: timedelta,
    offset: timedelta,
    story: Sequence[Scenario],
    run_source: str,
) -> Iterator[SessionPlan]:
    """Run one check on slots aligned to its cadence, moved by `offset` and a little late."""
    own = [scenario for scenario in story if scenario.check_name == check.name]
    to_cancel = [scenario for scenario in own if scenario.kind is Kind.CANCELLED_RUN and start <= scenario.begins < end]
    rng = Random(f"{world.seed}/{world.account_id}/{check.check_id}/{start}/{end}/{run_source}")
    number = (start - UNIX_EPOCH) // every
    while True:
        due = UNIX_EPOCH + every * number + offset % every
        started_at = due + timedelta(milliseconds=rng.randrange(LONGEST_JITTER_SECONDS * 1000))
        if started_at >= end:
            return
        number += 1
        if started_at < start:
            continue
        plan = plan_session(
            check,
            account_id=world.account_id,
            run_number=number,
            started_at=started_at,
            run_source=run_source,
            rng=rng,
            scenarios=own,
        )
        if to_cancel and started_at >= to_cancel[0].begins:
            plan = cancel_session(plan, plan.duration_ms * to_cancel.pop(0).strength)
        yield plan
