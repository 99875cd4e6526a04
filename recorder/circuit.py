"""Stops asking a Checkly that refuses: after a 401, 402 or 403 one probe per quarter of an hour, until one succeeds."""

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from recorder.clock import Clock, Monotonic
from recorder.errors import ChecklyError, NoSuchThing, NotSent, Refused

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

    Closed, everything is admitted. A refusal opens it; then one request a quarter of an hour is, the probe, and a good
    answer to it closes the circuit. A new process starts closed, so a restart with a mended key asks at once.

    Every request is admitted under a number, which the last opening and each probe make a new one. What was admitted
    under an older number was under way when Checkly began to refuse: whatever comes of it changes nothing any more.
    """

    def __init__(self, what: str, *, now: Clock, monotonic: Monotonic) -> None:
        """`what` names the requests in the log."""
        self._what = what
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._refusal: Refusal | None = None
        self._number = 0
        self._probe_at = 0.0

    @property
    def refusal(self) -> Refusal | None:
        """Why the circuit is open; None while it is closed."""
        return self._refusal

    def admit(self) -> int | None:
        """The number under which a request may be sent now: then `heed` what came of it, or `give_back`; None: not now.

        While the circuit is open, whoever is given a number has the probe.
        """
        with self._lock:
            if self._refusal is not None:
                if self._monotonic() < self._probe_at:
                    return None
                self._number += 1
                self._probe_at = self._monotonic() + PROBE_EVERY_S
            return self._number

    def give_back(self, number: int) -> None:
        """Nothing was sent under this number: if it was the probe, that is due still."""
        with self._lock:
            if self._refusal is not None and number == self._number:
                self._probe_at = self._monotonic()

    def heed(self, number: int, error: ChecklyError | None) -> None:
        """Learn what came of a request: None is a good answer; that an id is unknown was said to somebody who may ask.

        What says nothing about rights (429, 5xx, no answer) neither opens nor closes; it was a probe all the same.
        """
        if isinstance(error, NotSent):
            self.give_back(number)
        elif isinstance(error, Refused) and error.reason in OPENED_BY:
            self._open(number, str(error))
        elif error is None or isinstance(error, NoSuchThing):
            self._close(number)

    def _open(self, number: int, why: str) -> None:
        with self._lock:
            if number != self._number:
                return
            was_open = self._refusal is not None
            self._refusal = Refusal(self._refusal.since if self._refusal else self._now(), why)
            if not was_open:
                self._number += 1
                self._probe_at = self._monotonic() + PROBE_EVERY_S
        if not was_open:
            log.warning("Checkly refuses, trying once in 15 minutes from now on", what=self._what, why=why)

    def _close(self, number: int) -> None:
        if self._refusal is None:  # the usual case takes no lock
            return
        with self._lock:
            if number != self._number:
                return
            before, self._refusal = self._refusal, None
        if before is not None:
            log.info("Checkly answers again", what=self._what, refused_since=before.since.isoformat())
