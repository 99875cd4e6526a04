"""Clocks that several processes can agree on, and the watch over a wall clock that is set or sleeps."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Engine, text

from recorder.clock import Clock, Monotonic
from recorder.db import database_errors

STEP_LIMIT_S: Final = 2.0
"""How far the wall clock may run apart from the monotonic one between two looks before it counts as a step."""
READINGS: Final = 3
QUICK_S: Final = 0.1
"""A reading of the database's clock that took longer is taken again: it may be wrong by half of that."""


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
