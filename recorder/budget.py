"""The process's one request budget: every request to Checkly waits here for its turn."""

import math
import threading
from collections.abc import Callable
from typing import Final

from recorder.clock import Monotonic
from recorder.errors import ChecklyError
from recorder.pacing import TokenBucket

TRIGGER_RESERVE: Final = 12.0
"""Tokens that reads leave untouched, so that a burst of triggers never queues behind them; it costs reads no rate."""
_RECHECK_S: Final = 0.5
_PAUSE_S: Final = 5.0
"""How long nothing is asked after a 429 that does not say how long."""
_LEAST_PAUSE_S: Final = 1.0
"""And after one that says 0: what was refused together must not slow the rate once for each."""
LONGEST_TROUBLE_PAUSE_S: Final = 60.0
"""A 5xx may be about one session: it holds back everything for no longer, and for half of the time at most."""
COMES_BACK_S: Final = 10.0
"""A trigger that has waited in vain comes back within this time; until then no read takes its turn."""


class RequestBudget:
    """A token bucket that threads can wait at.

    Triggers go first: reads leave a reserve for them, and take nothing while one waits.
    """

    def __init__(self, per_minute: float, *, monotonic: Monotonic) -> None:
        """Start with a full bucket of `per_minute` requests per minute."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._bucket = TokenBucket.full(per_minute=per_minute, at=monotonic())
        self._triggers_waiting = 0
        self._reads_from = -math.inf
        self._trouble_counts_from = -math.inf

    def take_for_trigger(self, stop: threading.Event, *, at_most_s: float = math.inf) -> bool:
        """Wait for a token; False when `stop` was set meanwhile, or none came in that many seconds."""
        with self._lock:
            self._triggers_waiting += 1
        has_token = False
        try:
            has_token = self._take(stop, self._bucket.wait_s, at_most_s=at_most_s)
        finally:
            with self._lock:
                self._triggers_waiting -= 1
                if not has_token:
                    self._reads_from = self._monotonic() + COMES_BACK_S
        return has_token

    def take_for_read(self, stop: threading.Event) -> bool:
        """Wait for a token that no trigger needs; False when `stop` was set meanwhile."""
        return self._take(stop, self._wait_of_read_s)

    def take_for_reads(self, limit: int) -> int:
        """Take as many tokens as there are now and no trigger needs, at most `limit`, without waiting; how many."""
        with self._lock:
            now = self._monotonic()
            return 0 if self._stands_back(now) else self._bucket.take_up_to(limit, now, reserve=TRIGGER_RESERVE)

    def give_back(self, tokens: int = 1) -> None:
        """Return tokens that were taken and not used."""
        with self._lock:
            self._bucket.give_back(tokens, self._monotonic())

    def heed(self, error: ChecklyError) -> None:
        """After a 429 let nothing leave for as long as Checkly wishes, or five seconds, and less than before after it.

        After any other failure that names a time let nothing leave for that time, a minute at most, and then hear of no
        other such wish for as long again: a session that fails whenever it is asked for must not silence the rest.
        """
        wish_s = error.retry_after_s
        with self._lock:
            now = self._monotonic()
            if error.reason == "rate_limited":
                self._bucket.pause(now, seconds=_PAUSE_S if wish_s is None else max(wish_s, _LEAST_PAUSE_S))
            elif wish_s and now >= self._trouble_counts_from:
                seconds = min(wish_s, LONGEST_TROUBLE_PAUSE_S)
                self._bucket.hold(now, seconds=seconds)
                self._trouble_counts_from = now + 2 * seconds

    def _wait_of_read_s(self, at: float) -> float:
        """Seconds until a read may take a token; 0.0 means that it has been taken now."""
        return _RECHECK_S if self._stands_back(at) else self._bucket.wait_s(at, reserve=TRIGGER_RESERVE)

    def _stands_back(self, at: float) -> bool:
        """Whether no read may take anything, because a trigger waits or is about to come back."""
        return self._triggers_waiting > 0 or at < self._reads_from

    def _take(self, stop: threading.Event, wait_of: Callable[[float], float], *, at_most_s: float = math.inf) -> bool:
        give_up_at = self._monotonic() + at_most_s
        while not stop.is_set():
            with self._lock:
                wait_s = wait_of(self._monotonic())
            if wait_s == 0.0:
                return True
            if self._monotonic() >= give_up_at:
                return False
            stop.wait(min(wait_s, _RECHECK_S))
        return False
