"""Clocks that several processes can agree on, the watch over one that is set or sleeps, and over Checkly's."""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Engine, text

from recorder.clock import Clock, Monotonic
from recorder.db import database_errors

STEP_LIMIT_S: Final = 2.0
"""How far the wall clock may run apart from the monotonic one between two looks before it counts as a step."""
READINGS: Final = 3
QUICK_S: Final = 0.1
"""A reading of the database's clock that took longer is taken again: it may be wrong by half of that."""
APART_S: Final = 60.0
"""How far Checkly's clock may be from ours before it is said, and how much it must change to be said again."""

log = structlog.get_logger(__name__)


class DatabaseClock:
    """The database's clock, carried on by the monotonic one between two readings.

    Daemons on several machines judge leases and lateness by one clock, whatever their own say. A reading costs a round
    trip; `sync` takes one.
    """

    def __init__(self, engine: Engine, *, monotonic: Monotonic) -> None:
        """Read the clock once. Raises DatabaseError when the database is away."""
        self._engine = engine
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._read_at, self._base = self._read()

    def __call__(self) -> datetime:
        """The present instant by the database's clock, in UTC."""
        with self._lock:
            return self._base + timedelta(seconds=self._monotonic() - self._read_at)

    def sync(self) -> None:
        """Read the clock again. Raises DatabaseError when the database is away; the clock goes on as before then."""
        reading = self._read()
        with self._lock:
            self._read_at, self._base = reading

    def _read(self) -> tuple[float, datetime]:
        """Take the quickest of a few readings: a process that is stopped in the middle of one would be off by minutes.

        Source: F. Cristian, Probabilistic clock synchronization (1989).
        """
        readings: list[tuple[float, float, datetime]] = []
        with database_errors(self._engine), self._engine.connect() as connection:
            while len(readings) < READINGS and not (readings and readings[-1][0] <= QUICK_S):
                before = self._monotonic()
                at = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
                took = self._monotonic() - before
                readings.append((took, before + took / 2, at.astimezone(UTC)))
        _, read_at, base = min(readings)
        return read_at, base


@dataclass(slots=True)
class ClockWatch:
    """Notices when the wall clock was set, or the machine slept: the two clocks then no longer agree."""

    wall: Clock
    monotonic: Monotonic
    _last: tuple[datetime, float] | None = None

    def step_s(self) -> float:
        """Seconds by which the wall clock has moved away since the last look; 0.0 while it is within the limit."""
        now, at = self.wall(), self.monotonic()
        last, self._last = self._last, (now, at)
        if last is None:
            return 0.0
        step = (now - last[0]).total_seconds() - (at - last[1])
        return step if abs(step) > STEP_LIMIT_S else 0.0


class ChecklyClock:
    """Hears what Checkly's answers say the time is, and says when that is a minute apart from ours, and when no longer.

    Safe to use from threads.
    """

    def __init__(self, ours: Clock) -> None:
        """Nothing has been heard; nothing is to be said."""
        self._ours = ours
        self._lock = threading.Lock()
        self._heard: deque[float] = deque(maxlen=READINGS)
        self._said_s = 0.0

    def heard(self, date: datetime) -> None:
        """An answer that has just arrived says that it is `date`.

        Believed is the least difference of three: an answer that was long under way, or came out of a proxy's store,
        is as old as it looks.
        """
        ahead_s = (date - self._ours()).total_seconds()
        with self._lock:
            self._heard.append(ahead_s)
            if len(self._heard) == READINGS:
                self._judge(min(self._heard, key=abs))

    def _judge(self, ahead_s: float) -> None:
        if abs(ahead_s) < APART_S / 2 and self._said_s:
            self._said_s = 0.0
            log.info("Checkly's clock agrees with ours again")
        elif abs(ahead_s) >= APART_S and abs(ahead_s - self._said_s) >= APART_S:
            self._said_s = ahead_s
            log.warning(
                "Checkly's clock is ahead of ours" if ahead_s > 0 else "Checkly's clock is behind ours",
                seconds=round(abs(ahead_s)),
            )
