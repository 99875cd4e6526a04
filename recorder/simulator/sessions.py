"""The life of a check session: planned whole when it starts, then seen as far as its clock has come."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from random import Random
from typing import Final, Literal, NamedTuple

from recorder.simulator.scenarios import Conditions, Scenario, conditions_at
from recorder.simulator.world import NAMESPACE, Check

ERROR_SHARE: Final = 0.03  # of all failures: Checkly's own side failed
ROUND_ROBIN_MOVES: Final = 0.5  # of all retries of a round-robin check go to another location
FAILING_RUN_FACTOR: Final = 1.3  # a failing run takes longer: it waits for its time-outs
MEASURED_SHARE: Final = {"API": 0.8, "URL": 0.7, "TCP": 0.3, "DNS": 0.15}  # the rest measure the whole run
LOCATION_PACE: Final = {"us": 1.0, "ca": 1.0, "eu": 1.05, "me": 1.2, "ap": 1.25, "sa": 1.25, "af": 1.3}
PRIVATE_LOCATION_PACE: Final = 0.9

ResultType = Literal["ATTEMPT", "FINAL"]


class Outcome(Enum):
    """How one try ended."""

    PASSED = "passed"
    DEGRADED = "degraded"
    FAILED = "failed"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def is_failing(self) -> bool:
        """The check failed, or Checkly's side did."""
        return self is Outcome.FAILED or self is Outcome.ERROR


class Try(NamedTuple):
    """One run at one location; times in milliseconds since the session's start.

    `chain` counts the locations of the session: the tries of one chain follow each other, the last one is FINAL.
    """

    result_id: str
    chain: int
    number: int
    location: str
    result_type: ResultType
    started_ms: int
    stopped_ms: int
    response_time_ms: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """A session with its whole future: what a pure function of elapsed time can show."""

    session_id: str
    account_id: str
    check: Check
    started_at: datetime
    run_source: str
    run_locations: tuple[str, ...]
    tries: tuple[Try, ...]
    duration_ms: int

    def at(self, offset_ms: int) -> datetime:
        """Give the instant this many milliseconds after the session's start."""
        return self.started_at + timedelta(milliseconds=offset_ms)

    def sequence_id(self, chain: int) -> str:
        """Name the tries of one location: what `cancel` calls a sequence."""
        return str(uuid.uuid5(NAMESPACE, f"{self.session_id}/{chain}"))


@dataclass(frozen=True, slots=True)
class SessionView:
    """What Checkly would show of a session at one moment."""

    plan: SessionPlan
    status: str
    is_final: bool
    elapsed_ms: int
    tries: tuple[Try, ...]


def random_uuid(rng: Random) -> str:
    """Draw a version 4 UUID from the generator."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def plan_session(
    check: Check,
    *,
    account_id: str,
    run_number: int,
    started_at: datetime,
    run_source: str,
    rng: Random,
    scenarios: Sequence[Scenario] = (),
) -> SessionPlan:
    """Draw a session's ids, tries and times; equal arguments give an equal plan.

    `run_number` places a round-robin check at one of its locations; `scenarios` are those of this check.
    """
    session_id = random_uuid(rng)
    started_at = started_at.replace(microsecond=started_at.microsecond // 1000 * 1000)
    places = check.all_locations
    run_locations = places if check.run_parallel else (places[run_number % len(places)],)
    tries: list[Try] = []
    for chain, location in enumerate(run_locations):
        tries.extend(_plan_chain(check, chain, location, started_at=started_at, rng=rng, scenarios=scenarios))
    duration_ms = max(one.stopped_ms for one in tries) + rng.randrange(20, 120)
    return SessionPlan(session_id, account_id, check, started_at, run_source, run_locations, tuple(tries), duration_ms)


def _plan_chain(
    check: Check, chain: int, location: str, *, started_at: datetime, rng: Random, scenarios: Sequence[Scenario]
) -> list[Try]:
    tries: list[Try] = []
    started_ms = rng.randrange(80, 600)
    for number in range(1, check.max_retries + 2):
        if number > 1 and not check.run_parallel and rng.random() < ROUND_ROBIN_MOVES:
            location = rng.choice(check.all_locations)
        conditions = conditions_at(scenarios, location, started_at)
        outcome = _draw_outcome(conditions, number, rng)
        result_type: ResultType = "ATTEMPT" if outcome.is_failing and number <= check.max_retries else "FINAL"
        stopped_ms = started_ms + _draw_run_ms(check, location, conditions.slowdown, outcome, rng)
        response_time_ms = _response_time_ms(check.check_type, stopped_ms - started_ms)
        tries.append(
            Try(
                random_uuid(rng),
                chain,
                number,
                location,
                result_type,
                started_ms,
                stopped_ms,
                response_time_ms,
                outcome,
            )
        )
        if result_type == "FINAL":
            break
        started_ms = stopped_ms + check.backoff_ms
    return tries


def _draw_outcome(conditions: Conditions, number: int, rng: Random) -> Outcome:
    failure_rate = conditions.first_try_failure if number == 1 else conditions.retry_failure
    draw = rng.random()
    if draw < failure_rate:
        return Outcome.ERROR if draw < failure_rate * ERROR_SHARE else Outcome.FAILED
    return Outcome.DEGRADED if draw > 1 - conditions.degraded else Outcome.PASSED


def _draw_run_ms(check: Check, location: str, slowdown: float, outcome: Outcome, rng: Random) -> int:
    pace = PRIVATE_LOCATION_PACE if location in check.private_locations else LOCATION_PACE.get(location[:2], 1.0)
    run_ms = check.median_ms * pace * slowdown * rng.lognormvariate(0, check.noise)
    if outcome.is_failing:
        run_ms *= FAILING_RUN_FACTOR
    return max(1, round(run_ms))


def _response_time_ms(check_type: str, run_ms: int) -> float:
    share = MEASURED_SHARE.get(check_type)
    return float(run_ms) if share is None else round(run_ms * share, 2)


def view_session(plan: SessionPlan, elapsed_ms: float) -> SessionView:
    """Show the session this many simulated milliseconds after its start; infinity shows its end.

    Checkly does not document how the status follows from the results. Here one failing FINAL makes a session FAILED,
    else one degraded FINAL makes it DEGRADED, and while it runs any failed try so far makes it PROGRESS_FAILED.
    """
    if elapsed_ms >= plan.duration_ms:
        return SessionView(
            plan, _final_status(plan.tries), is_final=True, elapsed_ms=plan.duration_ms, tries=plan.tries
        )
    return view_unfinished(plan, elapsed_ms)


def view_unfinished(plan: SessionPlan, elapsed_ms: float) -> SessionView:
    """Show the session as still running, however late it is: its last result is never there."""
    last_stop = max(one.stopped_ms for one in plan.tries)
    seen = tuple(one for one in plan.tries if one.stopped_ms <= elapsed_ms and one.stopped_ms < last_stop)
    if elapsed_ms < min(one.started_ms for one in plan.tries):
        status = "STARTED"
    elif any(one.outcome.is_failing for one in seen):
        status = "PROGRESS_FAILED"
    elif any(one.outcome is Outcome.DEGRADED for one in seen):
        status = "PROGRESS_DEGRADED"
    else:
        status = "PROGRESS"
    return SessionView(plan, status, is_final=False, elapsed_ms=int(elapsed_ms), tries=seen)


def _final_status(tries: Sequence[Try]) -> str:
    outcomes = {one.outcome for one in tries if one.result_type == "FINAL"}
    if Outcome.CANCELLED in outcomes:
        return "CANCELLED"
    if Outcome.FAILED in outcomes or Outcome.ERROR in outcomes:
        return "FAILED"
    return "DEGRADED" if Outcome.DEGRADED in outcomes else "PASSED"


def cancel_session(plan: SessionPlan, elapsed_ms: float, sequence_ids: frozenset[str] | None = None) -> SessionPlan:
    """Cut the unfinished sequences short at this moment; None cancels all of them.

    Tries that ended before stay; each sequence cut gets a cancelled FINAL that stops now. One cancelled FINAL makes
    the session CANCELLED. A finished session comes back as it is.
    """
    now_ms = int(elapsed_ms) if elapsed_ms < plan.duration_ms else plan.duration_ms
    tries: list[Try] = []
    for chain in range(len(plan.run_locations)):
        own = [one for one in plan.tries if one.chain == chain]
        is_meant = sequence_ids is None or plan.sequence_id(chain) in sequence_ids
        tries.extend(_cut_chain(own, now_ms) if is_meant and own[-1].stopped_ms > now_ms else own)
    duration_ms = max(now_ms, *(one.stopped_ms for one in tries))
    return plan if tuple(tries) == plan.tries else replace(plan, tries=tuple(tries), duration_ms=duration_ms)


def _cut_chain(chain: Sequence[Try], now_ms: int) -> list[Try]:
    ended = [one for one in chain if one.stopped_ms <= now_ms]
    running = chain[len(ended)]
    started_ms = min(running.started_ms, now_ms)
    return [
        *ended,
        running._replace(
            result_type="FINAL",
            started_ms=started_ms,
            stopped_ms=now_ms,
            response_time_ms=float(now_ms - started_ms),
            outcome=Outcome.CANCELLED,
        ),
    ]
