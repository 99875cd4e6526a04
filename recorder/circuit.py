"""Stops asking a Checkly that refuses: after a 401, 402 or 403 one probe per quarter of an hour, until one succeeds."""

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from recorder.clock import Clock, Monotonic
from recorder.errors import ChecklyError, NoSuchThing, Refused

PROBE_EVERY_S: Final = 900.0
OPENED_BY: Final = frozenset({"401", "402", "403"})
"""Reasons that are about the key, the plan or the rights: whatever is asked next meets the same answer."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Since when Checkly refuses, and the sentence that it was refused with."""

    since: datetime
    why: str


class Circuit:
    """One kind of request (triggers, or reads: a key may be allowed one and not the other). Safe to use from threads.

    Closed, everything is admitted. A refusal opens it; then one request a quarter of an hour is, and the first that is
    answered closes it. A new process starts closed, so a restart with a mended key asks at once.
    """

    def __init__(self, what: str, *, now: Clock, monotonic: Monotonic) -> None:
        """`what` names the requests in the log."""
        self._what = what
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._refusal: Refusal | None = None
        self._probed_at = 0.0

    @property
    def refusal(self) -> Refusal | None:
        """Why the circuit is open; None while it is closed."""
        return self._refusal

    def admits(self) -> bool:
        """Whether a request may be sent now. When the circuit is open, True is the probe: send it or `give_back`."""
        with self._lock:
            if self._refusal is None:
                return True
            if self._monotonic() - self._probed_at < PROBE_EVERY_S:
                return False
            self._probed_at = self._monotonic()
            return True

    def give_back(self) -> None:
        """Nothing was there to be sent: the probe is due still."""
        with self._lock:
            self._probed_at = self._monotonic() - PROBE_EVERY_S

    def heed(self, error: ChecklyError | None) -> None:
        """Learn from an answer: None is a good one; that an id is unknown was said to somebody who may ask.

        What says nothing about rights (429, 5xx, no connection) leaves the next probe due at once.
        """
        if isinstance(error, Refused) and error.reason in OPENED_BY:
            self._open(str(error))
        elif error is None or isinstance(error, NoSuchThing):
            self._close()
        else:
            self.give_back()

    def _open(self, why: str) -> None:
        with self._lock:
            was_open = self._refusal is not None
            self._refusal = Refusal(self._refusal.since if self._refusal else self._now(), why)
            if not was_open:
                self._probed_at = self._monotonic()
        if not was_open:
            log.warning("Checkly refuses, trying once in 15 minutes from now on", what=self._what, why=why)

    def _close(self) -> None:
        with self._lock:
            before, self._refusal = self._refusal, None
        if before is not None:
            log.info("Checkly answers again", what=self._what, refused_since=before.since.isoformat())
