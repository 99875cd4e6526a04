"""Builds the parts of a running recorder from its settings: the one place where they meet."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Engine

from recorder.access import ChecklyAccess
from recorder.budget import RequestBudget
from recorder.checkly import ChecklyClient
from recorder.circuit import Circuit, Refusal
from recorder.clock import Clock, Monotonic, monotonic, utc_now
from recorder.clocks import ChecklyClock, DatabaseClock
from recorder.config import ScheduleSettings, Settings, access_problems, definition
from recorder.errors import BadAnswer, ChecklyError, ConfigError, NotSent, TryLater
from recorder.materialising import Follow, PlannedSchedule
from recorder.open_sessions import Scope
from recorder.schedule_store import Definition
from recorder.spool import spool_for
from recorder.targets import Target
from recorder.tracking import Fetched, Tracker
from recorder.triggering import Triggering

MOST_FETCHERS: Final = 300
RESULTS_PER_MINUTE: Final = 54.0


@dataclass(frozen=True)
class Parts:
    """What every command that talks to Checkly shares: one engine, one budget, one owner id, one stop flag."""

    settings: Settings
    engine: Engine
    access: ChecklyAccess
    budget: RequestBudget
    results_budget: RequestBudget
    """Checkly allows a tenth as many requests for lists of check results."""
    trigger_circuit: Circuit
    read_circuit: Circuit
    owner: UUID
    stop: threading.Event
    now: Clock
    """The clock that leases and lateness are judged by: the database's, where several daemons may share one."""
    wall: Clock
    monotonic: Monotonic
    checkly_clock: ChecklyClock

    def new_client(self) -> ChecklyClient:
        """A client for one thread."""
        return ChecklyClient(self.access, on_date=self.checkly_clock.heard)

    @property
    def refusal(self) -> Refusal | None:
        """Why Checkly is hardly asked any more, if it refuses triggers or reads."""
        return self.trigger_circuit.refusal or self.read_circuit.refusal

    def triggering(self) -> Triggering:
        """The use cases of the ledger, with nothing enrolled."""
        return Triggering(
            self.engine,
            owner=self.owner,
            new_client=self.new_client,
            budget=self.budget,
            circuit=self.trigger_circuit,
            spool=spool_for(self.engine, self.settings.database.spool),
            now=self.now,
            monotonic=self.monotonic,
            stop=self.stop,
        )

    def tracker(self, *, scope: Scope = None, on_seen: Callable[[Fetched], None] = lambda _: None) -> Tracker:
        """The threads that follow open sessions; the more requests a minute, the more long polls at once."""
        fetchers = max(1, min(MOST_FETCHERS, round(self.settings.checkly.requests_per_minute / 2)))
        return Tracker(
            self.engine,
            new_client=self.new_client,
            budget=self.budget,
            circuit=self.read_circuit,
            now=self.now,
            monotonic=self.monotonic,
            fetchers=fetchers,
            scope=scope,
            on_seen=on_seen,
        )

    def plans(self) -> dict[str, PlannedSchedule]:
        """The configured schedules by name."""
        return {schedule.name: planned(schedule) for schedule in self.settings.schedules}

    def definitions(self) -> Mapping[str, Definition]:
        """What the ledger writes down of each configured schedule, by name."""
        return {one.name: Definition(definition(one), one.paused) for one in self.settings.schedules}


def build(
    settings: Settings,
    engine: Engine,
    *,
    now: Clock | None = None,
    monotonic: Monotonic = monotonic,
    share: float = 1.0,
    budget: RequestBudget | None = None,
) -> Parts:
    """The parts for these settings; `share` of the budgets, for a process that leaves the rest to a daemon.

    `budget` is the one under which Checkly has been asked already. Raises ConfigError when the key or the account is
    missing or unusable.
    """
    if now is None:
        now = utc_now if engine.dialect.name == "sqlite" else DatabaseClock(engine, monotonic=monotonic)
    access = checkly_access(settings)
    if budget is None:
        budget = RequestBudget(share * settings.checkly.requests_per_minute, monotonic=monotonic)
    results_budget = RequestBudget(share * RESULTS_PER_MINUTE, monotonic=monotonic)
    return Parts(
        settings,
        engine,
        access,
        budget,
        results_budget,
        trigger_circuit=Circuit("triggers", now=now, monotonic=monotonic),
        read_circuit=Circuit("sessions", now=now, monotonic=monotonic),
        owner=uuid4(),
        stop=threading.Event(),
        now=now,
        wall=utc_now,
        monotonic=monotonic,
        checkly_clock=ChecklyClock(now),
    )


def request_budget(settings: Settings) -> RequestBudget:
    """The budget of a process, for one that asks before it has a database."""
    return RequestBudget(settings.checkly.requests_per_minute, monotonic=monotonic)


def checkly_access(settings: Settings) -> ChecklyAccess:
    """How to reach Checkly. Raises ConfigError naming what is missing."""
    checkly = settings.checkly
    problems = access_problems(settings)
    if problems or checkly.api_key is None or checkly.account_id is None:
        raise ConfigError(problems)
    return ChecklyAccess(
        api_key=checkly.api_key.get_secret_value(),
        account_id=checkly.account_id,
        base_url=checkly.base_url,
        api_version=checkly.api_version,
        ca_file=None if checkly.ca_file is None else Path(checkly.ca_file),
        proxy=checkly.proxy,
        timeout_s=checkly.timeout.total_seconds(),
    )


def verify_access(access: ChecklyAccess, budget: RequestBudget) -> ChecklyError | None:
    """Ask Checkly whether it knows the key and the account, before anything is written; starts nothing.

    It is the first request of this budget. Raises Refused when Checkly does not know them. Returns why nothing could be
    learned when it is out of reach for now.
    """
    budget.take_for_reads(1)
    with ChecklyClient(access) as client:
        try:
            client.verify_access()
        except (NotSent, TryLater, BadAnswer) as error:
            budget.heed(error)
            return error
    return None


def planned(schedule: ScheduleSettings) -> PlannedSchedule:
    """A configured schedule in the form that the ledger works with."""
    target = Target(schedule.match_tags, schedule.check_ids, schedule.run_everything, schedule.refresh_cache)
    return PlannedSchedule(
        name=schedule.name,
        definition=definition(schedule),
        cadence=schedule.cadence,
        target=target,
        jitter=schedule.jitter,
        misfire=schedule.misfire,
        misfire_grace=schedule.misfire_grace,
        overlap=schedule.overlap,
        follow=Follow(schedule.session_timeout, cancel=schedule.cancel_on_timeout),
        expect_locations=schedule.expect_locations,
    )
