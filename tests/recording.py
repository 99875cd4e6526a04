"""A recorder against a simulated Checkly, with a wall clock that only moves when a test says so."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from sqlalchemy import Engine

from recorder import wiring
from recorder.budget import RequestBudget
from recorder.clock import monotonic, utc_now
from recorder.config import Settings, load_settings
from recorder.db import transact
from recorder.foreground import follow
from recorder.ledger import ClaimedFire, open_intent
from recorder.materialising import Follow
from recorder.payloads import TriggerAnswer
from recorder.simulator.checkly import Settings as SimulatorSettings
from recorder.simulator.server import SimulatorServer
from recorder.spool import Spool, SpooledAnswer, spool_for
from recorder.targets import Target
from recorder.triggering import Triggering
from recorder.wiring import Parts
from tests.factories import NOW, rows

SCHEDULE = """
[[schedules]]
name = "{name}"
every = "{every}"
match_tags = {tags}
{more}
"""


RESULTS_PER_MINUTE: Final = 6_000
"""A hundred times what Checkly allows for lists of results: no test of the recorder's parts is about that wait."""


@dataclass
class HandClock:
    """A wall clock and a monotonic clock that stand still until they are moved."""

    at: datetime = NOW
    pace: float = 0.0
    """Seconds of wall clock that pass in one second of life."""
    _since: float = field(default_factory=monotonic, repr=False)
    slept_s: float = 0.0
    """How far the monotonic clock jumps each time it is read, as if the machine had slept in between."""
    ahead_s: float = 0.0
    """How far the monotonic clock was moved on by hand."""
    _asleep_s: float = field(default=0.0, repr=False)

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.pace * (monotonic() - self._since))

    def walk(self, pace: float) -> None:
        """Move by itself from here on, `pace` times as fast as life; 0 stands still."""
        self.at, self._since, self.pace = self.now(), monotonic(), pace

    def monotonic(self) -> float:
        self._asleep_s += self.slept_s
        return monotonic() + self._asleep_s + self.ahead_s

    def follow_life(self) -> None:
        """Show the real time from here on, as the simulator does."""
        self.at, self._since, self.pace = utc_now(), monotonic(), 1.0

    def advance(self, **duration: float) -> None:
        """Set the wall clock; the monotonic clock does not notice."""
        self.at += timedelta(**duration)

    def pass_by(self, seconds: float) -> None:
        """Let time go by on both clocks."""
        self.advance(seconds=seconds)
        self.ahead_s += seconds


@dataclass
class Harness:
    """One recorder process's worth of parts, and the witness it talks to."""

    engine: Engine
    checkly: SimulatorServer
    clock: HandClock
    parts: Parts
    triggering: Triggering
    follow: Follow = field(default=Follow(timedelta(hours=1)))

    def restart(self) -> "Harness":
        """A new process on the same database: a new owner that has enrolled the same configuration."""
        return _start(self.engine, self.checkly, self.clock, self.parts.settings, self.parts.settings.database.spool)

    def restart_with(self, configuration: str, folder: Path) -> "Harness":
        """A new process that has been told otherwise."""
        settings = _settings(configuration, self.checkly, folder)
        return _start(self.engine, self.checkly, self.clock, settings, self.parts.settings.database.spool)

    def tell(self, configuration: str, folder: Path) -> None:
        """Let this process take a new configuration, as after SIGHUP."""
        parts = replace(self.parts, settings=_settings(configuration, self.checkly, folder))
        self.triggering.enrol(parts.plans(), parts.definitions())

    @contextmanager
    def walking_clock(self, pace: float = 100.0) -> Iterator[None]:
        """Let the wall clock run fast while the block does, so that pauses pass."""
        self.clock.walk(pace)
        yield
        self.clock.walk(0.0)

    def fires(self) -> list[str]:
        """Each fire as `state: reason`, oldest first."""
        found = rows(self.engine, "SELECT state, reason FROM fires ORDER BY scheduled_for, pk")
        return [state if reason is None else f"{state}: {reason}" for state, reason in found]

    def sessions(self) -> int:
        return int(rows(self.engine, "SELECT COUNT(*) FROM check_sessions")[0][0])

    def triggers_acted_on(self) -> int:
        return len(self.checkly.witness().triggers)

    def triggers_received(self) -> int:
        return self.checkly.witness().requests.get("trigger", 0)

    def session_ids_seen_by_the_witness(self) -> set[str]:
        return {one for trigger in self.checkly.witness().triggers for one in trigger.check_session_ids}

    def session_ids(self) -> set[str]:
        return {one for (one,) in rows(self.engine, "SELECT check_session_id FROM session_history")}

    @property
    def spool(self) -> Spool:
        return spool_for(self.engine, self.parts.settings.database.spool)


def schedule(
    name: str = "prod", *, every: str = "10m", tags: tuple[tuple[str, ...], ...] = (("critical",),), more: str = ""
) -> str:
    """One schedule as TOML."""
    return SCHEDULE.format(name=name, every=every, tags=json.dumps(tags), more=more)


@contextmanager
def harness(
    engine: Engine, folder: Path, configuration: str | None = None, *, speed: float = 3000.0
) -> Iterator[Harness]:
    """A recorder with these schedules, enrolled at noon, against a quiet simulated account."""
    with SimulatorServer(speed=speed, settings=SimulatorSettings(scenarios=(), past=timedelta(0))) as checkly:
        settings = _settings(schedule() if configuration is None else configuration, checkly, folder)
        yield _start(engine, checkly, HandClock(), settings, folder / "spool")


@contextmanager
def after_one_fire(engine: Engine, folder: Path) -> Iterator[Harness]:
    """A recorder that has recorded one fire to its end, by a clock that goes with the simulator's."""
    with harness(engine, folder) as made:
        made.clock.follow_life()
        made.clock.advance(minutes=10)
        made.triggering.work()
        made.clock.advance(seconds=20)
        follow(made.parts, scope=None)
        yield made


def start_beside(one: Harness, clock: HandClock) -> Harness:
    """Another process of the same configuration, with a clock of its own."""
    return _start(one.engine, one.checkly, clock, one.parts.settings, one.parts.settings.database.spool)


def _start(
    engine: Engine, checkly: SimulatorServer, clock: HandClock, settings: Settings, spool: Path | None
) -> Harness:
    database = settings.database.model_copy(update={"spool": spool})
    settings = settings.model_copy(update={"database": database})
    parts = wiring.build(settings, engine, now=clock.now, monotonic=clock.monotonic)
    parts = replace(parts, results_budget=RequestBudget(RESULTS_PER_MINUTE, monotonic=clock.monotonic))
    triggering = parts.triggering()
    triggering.enrol(parts.plans(), parts.definitions())
    return Harness(engine, checkly, clock, parts, triggering)


def _settings(configuration: str, checkly: SimulatorServer, folder: Path) -> Settings:
    environ = {
        "CHECKLY_API_KEY": f"key-{uuid4()}",
        "CHECKLY_ACCOUNT_ID": checkly.account_id,
        "CHECKLY_API_URL": checkly.base_url,
    }
    config = folder / "recorder.toml"
    config.write_text(configuration)
    return load_settings(config, environ=environ, cwd=folder)


def trigger_without_writing(recorder: Harness) -> TriggerAnswer:
    """What Checkly answered to a process that died before it wrote it down."""
    with recorder.parts.new_client() as client:
        return client.trigger(Target((("critical",),)).request_body())


def intent(recorder: Harness, *, at: datetime = NOW) -> ClaimedFire:
    """An intent of a process of which nothing more will be heard."""
    owner = recorder.parts.owner
    return transact(
        recorder.engine, lambda session: open_intent(session, owner=owner, origin="schedule", body=b"{}", now=at)
    )


def spooled(
    fire: ClaimedFire, answer: TriggerAnswer, *, session_timeout: timedelta = timedelta(hours=1)
) -> SpooledAnswer:
    """An answer as that process would have spooled it."""
    return SpooledAnswer(
        fire.pk,
        fire.owner,
        fire.origin,
        NOW,
        answer.http_status,
        answer.raw,
        session_timeout=session_timeout,
        cancel_on_timeout=False,
    )
