"""Owns what is said while a database is away: one line when that begins, one when it is over, none for each thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from recorder.clock import Monotonic

SAY_AGAIN_S: Final = 60.0
"""A database that is still away, or away again, is spoken of no sooner: every unit of work of every thread meets it."""

log = structlog.get_logger(__name__)


class Outage:
    """Whether a database could be used the last time somebody tried; for all threads of a process."""

    def __init__(self, database: str, *, replay_for_s: float, monotonic: Monotonic) -> None:
        """`database` is its address without a password; `replay_for_s` how long a unit of work is tried again."""
        self._database = database
        self._replay_for_s = replay_for_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._said_at: float | None = None
        self._is_announced = False

    @contextmanager
    def watch(self, is_transient: Callable[[Exception], bool]) -> Iterator[None]:
        """Watch one try of a unit of work; what it raises goes through."""
        try:
            yield
        except Exception as error:
            if is_transient(error):
                self._failed(error)
            raise
        self._worked()

    def _failed(self, error: Exception) -> None:
        now = self._monotonic()
        with self._lock:
            if self._said_at is not None and now - self._said_at < SAY_AGAIN_S:
                return
            self._said_at, self._is_announced = now, True
        cause = str(getattr(error, "orig", None) or error).strip().split("\n", 1)[0]
        log.warning(
            "the database is away or busy, the work is tried again",
            database=self._database,
            error=cause,
            for_s=self._replay_for_s,
        )

    def _worked(self) -> None:
        if not self._is_announced:  # the usual case takes no lock
            return
        with self._lock:
            was_announced, self._is_announced = self._is_announced, False
        if was_announced:
            log.warning("the database can be used again", database=self._database)


class Sayings:
    """Which sentences were said within the last minute; for all threads of a process."""

    def __init__(self, monotonic: Monotonic) -> None:
        """Nothing has been said."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._said_at: dict[str, float] = {}

    def is_news(self, sentence: str) -> bool:
        """Whether it is to be said now; it counts as said then."""
        now = self._monotonic()
        with self._lock:
            self._said_at = {said: at for said, at in self._said_at.items() if now - at < SAY_AGAIN_S}
            if sentence in self._said_at:
                return False
            self._said_at[sentence] = now
            return True
