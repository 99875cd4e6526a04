"""The running state of one simulated account: its sessions and the results they have shown so far."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Final

from recorder.simulator.scenarios import Scenario
from recorder.simulator.sessions import (
    SessionPlan,
    SessionView,
    Try,
    cancel_session,
    plan_session,
    view_session,
    view_unfinished,
)
from recorder.simulator.world import Check, World

CANCELLABLE_TYPE: Final = "PLAYWRIGHT"


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time comes from: aware UTC for the payloads, monotonic seconds for waiting, and how fast it is lived.

    At `speed` 60 a session of 30 simulated seconds is over 0.5 real seconds after its trigger.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    speed: float = 1.0


@dataclass
class LiveSession:
    """A plan tied to the clock; the faults may keep it running or make it forgotten."""

    plan: SessionPlan
    clock: Clock
    started_monotonic: float
    never_ends: bool = False
    is_forgotten: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def elapsed_ms(self) -> float:
        """Simulated milliseconds since the start."""
        return (self.clock.monotonic() - self.started_monotonic) * 1000 * self.clock.speed

    def view(self) -> SessionView:
        """Show the session as of now."""
        if self.never_ends:
            return view_unfinished(self.plan, self.elapsed_ms())
        return view_session(self.plan, self.elapsed_ms())

    def cancel(self, sequence_ids: frozenset[str] | None) -> None:
        """Cut the session short and wake those who wait for it; only Playwright suites obey."""
        if self.plan.check.check_type != CANCELLABLE_TYPE:
            return
        self.plan = cancel_session(self.plan, self.elapsed_ms(), sequence_ids)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait_until_final(self, max_wait_seconds: float) -> SessionView:
        """Wait in real seconds until the session is final or the time is up; the view tells which."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max_wait_seconds):
                while not self.view().is_final:
                    await self._wait_for_change()
        return self.view()

    async def _wait_for_change(self) -> None:
        """Sleep until the session should be over, or something else happened to it."""
        left_seconds = (self.plan.duration_ms - self.elapsed_ms()) / 1000 / self.clock.speed
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), None if self.never_ends else max(0.0, left_seconds))


class Account:
    """The sessions of one account, found by id and by check."""

    def __init__(self, world: World, clock: Clock, scenarios: Sequence[Scenario], past: Iterable[SessionPlan]) -> None:
        """`past` holds sessions that are over, in the order of their start."""
        self.world = world
        self._clock = clock
        self._scenarios = list(scenarios)
        self._sessions: dict[str, LiveSession] = {}
        self._by_check: defaultdict[str, list[LiveSession]] = defaultdict(list)
        self._started_count = 0
        self._runs: Counter[str] = Counter()
        for plan in past:
            self._keep(LiveSession(plan, clock, started_monotonic=-math.inf))

    def add_scenario(self, scenario: Scenario) -> None:
        """Let a behaviour loose on the sessions that start from now on."""
        self._scenarios.append(scenario)

    def start_sessions(self, checks: Iterable[Check]) -> list[LiveSession]:
        """Start one session of each check now; the nth session of an account draws the same for the same seed."""
        started_at, started_monotonic = self._clock.now(), self._clock.monotonic()
        return [self._start(check, started_at, started_monotonic) for check in checks]

    def _start(self, check: Check, started_at: datetime, started_monotonic: float) -> LiveSession:
        self._started_count += 1
        self._runs[check.check_id] += 1
        plan = plan_session(
            check,
            account_id=self.world.account_id,
            run_number=self._runs[check.check_id],
            started_at=started_at,
            run_source="TRIGGER_API",
            rng=Random(f"{self.world.seed}/{self.world.account_id}/{self._started_count}"),
            scenarios=[scenario for scenario in self._scenarios if scenario.check_name == check.name],
        )
        session = LiveSession(plan, self._clock, started_monotonic)
        self._keep(session)
        return session

    def _keep(self, session: LiveSession) -> None:
        self._sessions[session.plan.session_id] = session
        self._by_check[session.plan.check.check_id].append(session)

    def find_session(self, session_id: str) -> LiveSession | None:
        """Find a session that has not been forgotten."""
        session = self._sessions.get(session_id.lower())
        return None if session is None or session.is_forgotten else session

    def results_of(self, check_id: str) -> list[tuple[SessionPlan, Try]]:
        """Collect the results of a check that exist by now, newest start first."""
        shown = [(session.plan, one) for session in self._by_check[check_id] for one in session.view().tries]
        return sorted(shown, key=lambda pair: (pair[0].at(pair[1].started_ms), pair[1].result_id), reverse=True)

    def last_finished(self, check_id: str) -> SessionView | None:
        """Show the last session of a check that came to its own end; cancelled ones say nothing about the check."""
        for session in reversed(self._by_check[check_id]):
            view = session.view()
            if view.is_final and view.status != "CANCELLED":
                return view
        return None
