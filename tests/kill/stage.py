"""What a campaign stands on: a simulated Checkly as the witness, a database, a configuration, a parent of daemons."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Engine

from recorder import db
from recorder.simulator.admission import RateLimits
from recorder.simulator.checkly import Settings as SimulatorSettings
from recorder.simulator.faults import Fault, FaultKind
from recorder.simulator.server import SimulatorServer
from recorder.simulator.world import Check, World
from tests.kill.child import Order
from tests.kill.zygote import Child, Zygote
from tests.processes import environment

SCHEDULES: Final = {
    "plain": 'every = "1s"\noverlap = "allow"',
    "polite": 'every = "1s"\noverlap = "skip"',
    "jittered": 'every = "1s"\noverlap = "allow"\njitter = "400ms"',
    "strict": 'every = "1s"\noverlap = "allow"\nmisfire = "skip"\nmisfire_grace = "2s"',
}
"""The policies of the schedules. Each triggers a check of its own: a POST's body tells who sent it."""
LIMITED: Final = "429"
WEATHER: Final = {
    "reset before acting": Fault(kind=FaultKind.RESET_BEFORE, route="trigger"),
    "reset after acting": Fault(kind=FaultKind.RESET_AFTER, route="trigger"),
    "502 after acting": Fault(kind=FaultKind.STATUS_AFTER, route="trigger", status=502, html=True),
    "503": Fault(kind=FaultKind.STATUS, route="trigger", status=503),
    LIMITED: Fault(kind=FaultKind.STATUS, route="trigger", status=429, retry_after="0"),
    "too slow": Fault(kind=FaultKind.DELAY, route="trigger", seconds=2.5),
    "slow": Fault(kind=FaultKind.SLOW_BODY, route="trigger", seconds=0.0005),
    "truncated": Fault(kind=FaultKind.TRUNCATE, route="trigger"),
    "truncated as if whole": Fault(kind=FaultKind.TRUNCATE, route="trigger", has_length=False),
    "read: reset": Fault(kind=FaultKind.RESET_BEFORE, route="completion"),
    "read: 502": Fault(kind=FaultKind.STATUS, route="completion", status=502, html=True),
    "read: 429": Fault(kind=FaultKind.STATUS, route="completion", status=429, retry_after="0"),
    "read: slow": Fault(kind=FaultKind.SLOW_BODY, route="completion", seconds=0.0001),
    "read: truncated": Fault(kind=FaultKind.TRUNCATE, route="completion"),
    "read: no JSON": Fault(kind=FaultKind.GARBAGE, route="completion"),
    "read: words of tomorrow": Fault(kind=FaultKind.UNKNOWN_ENUM, route="completion"),
}
"""What the network does to one request now and then; the deadline of a request is 2 s."""

CONFIGURATION: Final = """
[checkly]
requests_per_minute = 6000
timeout = "2s"

[database]
url = "{url}"
spool = "{spool}"
"""
SCHEDULE: Final = """
[[schedules]]
name = "{name}"
check_ids = ["{check_id}"]
{policy}
"""


@dataclass
class Stage:
    """A place where daemons live and die."""

    folder: Path
    engine: Engine
    checkly: SimulatorServer
    zygote: Zygote
    rng: Random
    weather: Mapping[str, Fault] = field(default_factory=lambda: WEATHER)
    mutant: str | None = None
    _logs: Iterator[int] = field(default_factory=count)

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def start(self, *, kill_at: str | None = None, nth: int = 1, config: str = "recorder.toml") -> Child:
        """Start a daemon, with a log of its own."""
        log = self.folder / f"daemon-{next(self._logs):04}.log"
        order = Order(environment(self.checkly), str(self.folder / config), str(log), kill_at, nth, self.mutant)
        return self.zygote.start(order)

    def logs(self) -> Iterator[tuple[str, str]]:
        """The log of every daemon so far, by name."""
        for path in sorted(self.folder.glob("daemon-*.log")):
            yield path.name, path.read_text()


def migrated_sqlite(folder: Path) -> str:
    """The URL of a new, migrated SQLite database in this folder."""
    url = f"sqlite:///{folder / 'history.db'}"
    engine = db.open_engine(url)
    db.upgrade(engine)
    engine.dispose()
    return url


@contextmanager
def stage(
    folder: Path,
    url: str,
    parent: Zygote,
    *,
    seed: int,
    copies: int = 1,
    policies: Mapping[str, str] = SCHEDULES,
    weather: Mapping[str, Fault] = WEATHER,
    mutant: str | None = None,
) -> Iterator[Stage]:
    """Build everything on a migrated database; whatever the parent of the daemons still has at the end is killed.

    `copies` is how often each of the `policies` is there: the more daemons share schedules, the more they need.
    """
    schedules = {f"{name}-{copy}": policy for copy in range(copies) for name, policy in policies.items()}
    checkly_settings = SimulatorSettings(
        seed=seed,
        scenarios=(),
        past=timedelta(0),
        limits=RateLimits(requests=1_000_000),
        make_world=lambda seed, account_id: World(seed, account_id, tuple(map(_check, schedules))),
    )
    with SimulatorServer(speed=200.0, settings=checkly_settings) as checkly:
        for file, more in {"recorder.toml": "", "paused.toml": "\npaused = true"}.items():
            head = CONFIGURATION.format(url=url, spool=folder / "spool")
            tables = [
                SCHEDULE.format(name=name, check_id=_check_id(name), policy=policy + more)
                for name, policy in schedules.items()
            ]
            (folder / file).write_text(head + "".join(tables))
        engine = db.open_engine(url)
        try:
            yield Stage(folder, engine, checkly, parent, Random(seed), weather, mutant)  # noqa: S311 - seeded on purpose
        finally:
            parent.kill_all()
            engine.dispose()


def _check(schedule: str) -> Check:
    """The check that one schedule triggers; at this speed a session takes about 0.1 s."""
    return Check(
        name=f"Check of {schedule}",
        check_type="API",
        tags=frozenset({schedule}),
        median_ms=20_000,
        check_id=_check_id(schedule),
        locations=("us-east-1", "eu-central-1"),
    )


def _check_id(schedule: str) -> str:
    return str(uuid5(NAMESPACE_URL, schedule))
