"""The simulated service as a whole: its settings, its accounts and the door they are reached through."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from recorder.simulator.account import Account, Clock, LiveSession
from recorder.simulator.admission import RateLimits, Turnstile, account_id_of, check_key
from recorder.simulator.faults import FaultQueue
from recorder.simulator.history import past_plans
from recorder.simulator.scenarios import Scenario, default_scenarios
from recorder.simulator.witness import Witness
from recorder.simulator.world import World, default_world


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a simulated Checkly behaves.

    `accounts` None serves every well-formed account id, each with a world of its own. `scenarios` None tells the
    built-in story, placed relative to the start. `past` is how much scheduled history an account has when first used.
    """

    seed: int = 1
    accounts: frozenset[str] | None = None
    refused_keys: frozenset[str] = frozenset({"bad-key"})
    limits: RateLimits = field(default_factory=RateLimits)
    scenarios: tuple[Scenario, ...] | None = None
    past: timedelta = timedelta(days=1)
    make_world: Callable[[int, str], World] = default_world


class SimulatedCheckly:
    """Every account, the witness and the faults of one simulator."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """The story and the past are placed before this moment."""
        self.settings = settings
        self.clock = clock
        self.witness = Witness()
        self.faults = FaultQueue(settings.seed)
        self._turnstile = Turnstile(settings.limits)
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}
        self._started_at: datetime = clock.now()

    def admit(self, headers: Mapping[str, str], route: str) -> Account:
        """Let a request in as far as its account, or raise the Refusal it earns; header names are lower case."""
        check_key(headers, route, self.settings.refused_keys)
        account_id = account_id_of(headers, self.settings.accounts)
        self._turnstile.let_through(account_id, route, self.clock.monotonic())
        return self.account(account_id)

    def account(self, account_id: str) -> Account:
        """Return the account, made with its world and its past when first used; safe to call from any thread."""
        with self._lock:
            if account_id not in self._accounts:
                self._accounts[account_id] = self._make_account(account_id)
            return self._accounts[account_id]

    def find_session(self, session_id: str) -> LiveSession | None:
        """Find a session in whichever account it is."""
        found = (account.find_session(session_id) for account in list(self._accounts.values()))
        return next((session for session in found if session is not None), None)

    def _make_account(self, account_id: str) -> Account:
        world = self.settings.make_world(self.settings.seed, account_id)
        story = self.settings.scenarios
        if story is None:
            story = default_scenarios(self._started_at)
        end = self._started_at
        past = past_plans(world, start=end - self.settings.past, end=end, scenarios=story, run_source="SCHEDULER")
        return Account(world, self.clock, story, past)

    def add_scenario(self, scenario: Scenario) -> None:
        """Let a behaviour loose in every account that is in use."""
        for account in list(self._accounts.values()):
            account.add_scenario(scenario)
