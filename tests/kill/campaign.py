"""A seeded campaign: daemons are started and killed, at named points and at random, in bad weather; then all is judged.

`Campaign.run` is the loop, `drain` the peaceful end, `judge` the verdict.
"""

import contextlib
import itertools
import json
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recorder.clock import monotonic
from recorder.models import CheckSession, Fire
from tests.kill.child import BUSY, HASTE
from tests.kill.invariants import Sightings, Violation, check_ledger, sight_finals, stuck_rows
from tests.kill.points import POINTS
from tests.kill.postgresql import PostgresqlServer
from tests.kill.stage import LIMITED, Stage
from tests.kill.zygote import Child, wait_for_any

RANDOM: Final = "random"
REACH_S: Final = 8.0
"""How long a daemon has to reach the point at which it dies; then it is killed where it stands."""
DRAIN_S: Final = 90.0
"""How long the last daemon may take; on a quiet machine it needs two seconds."""
STOP_S: Final = 30.0
"""How long a daemon may take to obey SIGTERM."""
PAUSE_S: Final = 6.0
"""Longer than a silent daemon is taken for alive and than its intents wait for it."""
STARTED: Final = "recorder started"
"""What a daemon logs when it obeys signals and has taken up what was left."""
CALM: Final = ""
LIFE_TO_TRY_AGAIN_S: Final = (2.0, 3.0)
"""How long a daemon lives that is refused with 429: it has to be there when the fire is due again."""
TORMENTS: Final = ("restart", "cut", "cut", "pause", "old answers", CALM, CALM, CALM)
"""What befalls several daemons on PostgreSQL beside their deaths, one of these after each."""
LONELY_TORMENTS: Final = ("old answers", CALM, CALM, CALM)
"""The same for a single daemon on SQLite."""
DATABASE_AWAY: Final = 5
"""The exit code of a daemon that was started while PostgreSQL was not there."""
TRACES: Final = frozenset({"owner_lost", "conn_reset", "http_5xx", "bad_body"})
"""What deaths and weather leave in the ledger: reasons of ambiguous fires. A read times out later than most die."""


@dataclass
class Slot:
    """One daemon's place: who is in it, what shall kill it, and when it is killed if that does not.

    While it is paused, `wakes_at` says when it goes on.
    """

    child: Child
    point: str
    until: float
    wakes_at: float | None = None

    @property
    def next_turn(self) -> float:
        """When somebody has to look after it."""
        return self.until if self.wakes_at is None else self.wakes_at


@dataclass
class Campaign:
    """Kills daemons on a stage, `width` at work at once; `server` is the PostgreSQL to torment, if there is one."""

    stage: Stage
    width: int = 1
    server: PostgresqlServer | None = None
    points: Sequence[str] = (*POINTS, *[RANDOM] * (len(POINTS) // 2))
    kills: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    sightings: Sightings = field(default_factory=dict)
    mishaps: list[Violation] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    _points: Iterator[str] = field(init=False)
    _weather: Iterator[str] = field(init=False)
    _torments: Iterator[str] = field(init=False)
    _hoard: Path = field(init=False)

    def __post_init__(self) -> None:
        """Shuffle what the daemons die of, the weather, and what else befalls them."""
        weather = tuple(self.stage.weather)
        self._points = itertools.cycle(self._shuffled(self.points))
        self._weather = itertools.cycle(self._shuffled((*weather, *[CALM] * (1 + len(weather) // 4))))
        self._torments = itertools.cycle(self._shuffled(TORMENTS if self.server else LONELY_TORMENTS))
        self._hoard = self.stage.folder / "hoard"  # copies of spooled answers, put back as a restored backup would
        self._hoard.mkdir(exist_ok=True)
        self.stage.spool.mkdir(exist_ok=True)

    def run(self, kills: int, *, each: int = 0) -> None:
        """Start and kill daemons until that many have died.

        When `each` is given and something is still missing, go on for up to as many again: on a busy machine daemons
        are slow to reach the point that kills them.
        """
        slots = [self._fill() for _ in range(self.width)]
        while self.kills.total() < kills or (each and self.kills.total() < 2 * kills and self.missing(each)):
            wait_for_any([slot.child for slot in slots], min(slot.next_turn for slot in slots) - monotonic())
            for place, slot in enumerate(slots):
                if slot.wakes_at is not None and monotonic() >= slot.wakes_at:
                    self._wake(slot)
                if slot.child.wait(0) or monotonic() >= slot.until:
                    self._bury(slot)
                    slots[place] = self._fill()
                    self._torment(slots)
        for slot in slots:
            slot.child.kill()
        self._sight()

    def missing(self, each: int) -> list[str]:
        """What the campaign has to show and does not show yet; of everything that is counted, `each`."""
        played = self.played()
        torments = {*(TORMENTS if self.server else LONELY_TORMENTS)} - {CALM}
        with Session(self.stage.engine) as db:
            reasons = set(db.scalars(select(Fire.reason).where(Fire.state == "ambiguous").distinct()))
            sent_again = db.scalar(select(func.max(Fire.attempt))) or 0
        found = [f"deaths at {point}" for point in {*self.points} if self.kills[point] < each]
        found += [f"weather: {name}" for name in self.stage.weather if played[name] < each]
        found += [f"trouble: {torment}" for torment in torments if self.troubles[torment] < each]
        found += [f"ambiguous fires: {reason}" for reason in TRACES - reasons]
        found += ["a fire that is sent again after 429"] if sent_again < 2 else []
        return found + ([] if self.sightings else ["final sessions"])

    def played(self) -> Counter[str]:
        """How often the network did what, in requests that it was done to."""
        names = {fault: name for name, fault in self.stage.weather.items()}
        return self.injected - Counter(names[fault] for fault in self.stage.checkly.checkly.faults.waiting())

    def drain(self, patience_s: float = DRAIN_S) -> None:
        """Let the faults stop and a last daemon bring everything to its end, then tell it to stop."""
        stage = self.stage
        self.injected = self.played()
        stage.checkly.clear_faults()
        self._put_back_answers()
        if self.server is not None:
            self._wait_until_forgotten()
        last = stage.start(config="paused.toml")
        give_up_at = monotonic() + patience_s
        while monotonic() < give_up_at and not last.wait(0.2):
            if last.has_logged(STARTED) and not self._is_anything_open():
                break
        last.signal(signal.SIGTERM)
        if not last.wait(STOP_S):
            self.mishaps.append(Violation(7, f"the last daemon did not stop within {STOP_S:g} s"))
        code = last.kill()
        if code != 0:
            self.mishaps.append(Violation(7, f"the last daemon ended with {code}"))

    def judge(self) -> list[Violation]:
        """Everything that is wrong, after the drain."""
        stage = self.stage
        found = check_ledger(stage.engine, stage.checkly.witness(), self.sightings, stage.spool)
        busy = self.busy_failures()
        blocked = [Violation(7, f"{busy} transactions failed because another writer was there")] if busy else []
        return self.mishaps + found + blocked + self.unexplained()

    def unexplained(self) -> list[Violation]:
        """Tracebacks in the logs: whatever a daemon meets, it can name."""
        return [
            Violation(7, f"{name}: {line[:2000]}")
            for name, log in self.stage.logs()
            for line in log.splitlines()
            if '"exception"' in line or line.startswith("Traceback")
        ]

    def busy_failures(self) -> int:
        """How many transactions failed because another writer was there."""
        return sum(log.count(json.dumps(BUSY)) for _, log in self.stage.logs())

    def summary(self) -> str:
        """One line of figures."""
        with Session(self.stage.engine) as db:
            fires = db.execute(select(Fire.state, Fire.reason, func.count()).group_by(Fire.state, Fire.reason))
            states = {state if reason is None else f"{state}: {reason}": times for state, reason, times in fires}
            sessions = db.scalar(select(func.count()).select_from(CheckSession))
        witness = self.stage.checkly.witness()
        return (
            f"{self.kills.total()} kills {dict(self.kills)}, troubles {dict(self.troubles)}, "
            f"weather {dict(self.played())}, {len(witness.triggers)} POSTs acted on, fires {states}, "
            f"{sessions} sessions, {len(self.sightings)} seen final"
        )

    def _shuffled(self, deck: Sequence[str]) -> Sequence[str]:
        return self.stage.rng.sample(deck, len(deck))

    def _fill(self) -> Slot:
        stage = self.stage
        if (weather := next(self._weather)) != CALM:
            stage.checkly.inject(stage.weather[weather])
            self.injected[weather] += 1
        if weather == LIMITED:
            return Slot(stage.start(), RANDOM, monotonic() + stage.rng.uniform(*LIFE_TO_TRY_AGAIN_S))
        if (point := next(self._points)) == RANDOM:
            return Slot(stage.start(), point, monotonic() + stage.rng.uniform(0.1, 1.6))
        child = stage.start(kill_at=point, nth=stage.rng.choice((1, 1, 2, 3)))
        return Slot(child, point, monotonic() + REACH_S)

    def _bury(self, slot: Slot) -> None:
        overdue = not slot.child.wait(0)
        code = slot.child.kill()
        if code == -signal.SIGKILL:
            self.kills[RANDOM if overdue else slot.point] += 1
        elif code == DATABASE_AWAY and self.server is not None and not slot.child.has_logged(STARTED):
            self.troubles["started without a database"] += 1
        else:
            self.mishaps.append(Violation(7, f"a daemon left with {code}"))
            self.kills["left"] += 1
        self._sight()
        self._hoard_answers()

    def _sight(self) -> None:
        """Remember what is final now; the first sighting of a session stays."""
        self.sightings = sight_finals(self.stage.engine) | self.sightings

    def _torment(self, slots: list[Slot]) -> None:
        """Let something else happen: PostgreSQL restarts or cuts all connections, a daemon sleeps, answers return."""
        torment = next(self._torments)
        if torment == "old answers":
            self.troubles[torment] += self._put_back_answers()
        elif torment == "pause":
            self._pause(self.stage.rng.choice(slots))
        elif self.server is not None and torment == "restart":
            self.server.restart_at_once()
            self.troubles[torment] += 1
        elif self.server is not None and torment == "cut":
            self.troubles[torment] += self.server.terminate_connections()

    def _pause(self, slot: Slot) -> None:
        """Stop a daemon for so long that the others take it for dead, while they go on."""
        if slot.wakes_at is None and not slot.child.wait(0):
            slot.child.signal(signal.SIGSTOP)
            slot.wakes_at = monotonic() + PAUSE_S
            slot.until += PAUSE_S
            self.troubles["pause"] += 1

    def _wake(self, slot: Slot) -> None:
        slot.child.signal(signal.SIGCONT)
        slot.wakes_at = None

    def _hoard_answers(self) -> None:
        for path in self.stage.spool.glob("fire-*.json"):
            with contextlib.suppress(FileNotFoundError):  # a living daemon has just written it down
                shutil.copyfile(path, self._hoard / path.name)

    def _put_back_answers(self) -> int:
        """Let answers that were written down long ago lie in the spool again; how many."""
        answers = list(self._hoard.glob("fire-*.json"))
        for path in answers:
            shutil.copyfile(path, path.with_suffix(".copy")).replace(self.stage.spool / path.name)
        return len(answers)

    def _wait_until_forgotten(self) -> None:
        """Another configuration is taken only when the other daemons have been silent for long enough."""
        silent_s = HASTE["roster"]["SILENT_FOR"].total_seconds()
        wait_for_any([], silent_s + 0.5)

    def _is_anything_open(self) -> bool:
        with Session(self.stage.engine) as db:
            return next(stuck_rows(db), None) is not None or any(self.stage.spool.glob("fire-*.json"))
