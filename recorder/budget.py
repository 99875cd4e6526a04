"""The process's one request budget: every request to Checkly waits here for its turn."""

import math
import threading
from typing import Final

from recorder.clock import Monotonic
from recorder.errors import ChecklyError, TryLater
from recorder.pacing import TokenBucket

TRIGGER_RESERVE: Final = 12.0
"""Tokens that reads leave untouched, so that a burst of triggers never queues behind them; it costs reads no rate."""
_RECHECK_S: Final = 0.5
_PAUSE_S: Final = 5.0
"""How long nothing is asked after a 429 that does not say how long."""


class RequestBudget:
    """A token bucket that threads can wait at. Triggers go first: reads leave a reserve for them."""

    def __init__(self, per_minute: float, *, monotonic: Monotonic) -> None:
        """Start with a full bucket of `per_minute` requests per minute."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._bucket = TokenBucket.full(per_minute=per_minute, at=monotonic())

    def take_for_trigger(self, stop: threading.Event, *, at_most_s: float = math.inf) -> bool:
        """Wait for a token; False when `stop` was set meanwhile, or none came in that many seconds."""
        return self._take(stop, reserve=0.0, at_most_s=at_most_s)

    def take_for_read(self, stop: threading.Event) -> bool:
        """Wait for a token that no trigger needs; False when `stop` was set meanwhile."""
        return self._take(stop, reserve=TRIGGER_RESERVE)

    def take_for_reads(self, limit: int) -> int:
        """Take as many tokens as there are now and no trigger needs, at most `limit`, without waiting; how many."""
        with self._lock:
            return self._bucket.take_up_to(limit, self._monotonic(), reserve=TRIGGER_RESERVE)

    def give_back(self, tokens: int = 1) -> None:
        """Return tokens that were taken and not used."""
        with self._lock:
            self._bucket.tokens += tokens

    def heed(self, error: ChecklyError) -> None:
        """After a 429 let nothing leave for as long as Checkly wishes, or five seconds; no other error matters."""
        if isinstance(error, TryLater) and error.reason == "rate_limited":
            seconds = _PAUSE_S if error.retry_after_s is None else error.retry_after_s
            with self._lock:
                self._bucket.pause(self._monotonic(), seconds=seconds)

    def _take(self, stop: threading.Event, *, reserve: float, at_most_s: float = math.inf) -> bool:
        give_up_at = self._monotonic() + at_most_s
        while not stop.is_set():
            with self._lock:
                wait_s = self._bucket.wait_s(self._monotonic(), reserve=reserve)
            if wait_s == 0.0:
                return True
            if self._monotonic() >= give_up_at:
                return False
            stop.wait(min(wait_s, _RECHECK_S))
        return False
