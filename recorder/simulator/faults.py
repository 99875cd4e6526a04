"""Which faults are waiting to be played, and on which requests."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from random import Random
from typing import Any

from recorder.simulator.witness import ROUTE_NAMES


class FaultKind(StrEnum):
    """What can go wrong with one request. "Acts" means that the request does its work first."""

    RESET_BEFORE = "reset_before"  # TCP reset, not acted
    RESET_AFTER = "reset_after"  # acts, TCP reset
    TRUNCATE = "truncate"  # acts, the body breaks off in the middle
    SLOW_BODY = "slow_body"  # acts, one byte every `seconds`
    DELAY = "delay"  # waits `seconds`, then acts as usual
    STATUS = "status"  # answers `status`, not acted
    STATUS_AFTER = "status_after"  # acts, answers `status`
    UNKNOWN_ENUM = "unknown_enum"  # acts, answers with values and fields never seen before
    GARBAGE = "garbage"  # acts, the right status with a body that is no JSON
    FORGET = "forget"  # the session of the path, or those just triggered, are 404 from now on
    NEVER_END = "never_end"  # the same, but they run for ever
    MALFORMED_SESSION = "malformed_session"  # acts, the last session of the list has no id


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault for the requests of one route, or `any`.

    It is played on the next `count` requests (None: for ever), each with this probability. `retry_after` and `html`
    dress a status; `has_length` False makes a truncated body end as if it were complete.
    """

    kind: FaultKind
    route: str = "any"
    count: int | None = 1
    probability: float = 1.0
    seconds: float = 0.2
    status: int = 502
    retry_after: str | None = None
    html: bool = False
    has_length: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be played: raises ValueError."""
        if self.route not in (*ROUTE_NAMES, "any"):
            raise ValueError(f"route {self.route!r} is none of: any, {', '.join(ROUTE_NAMES)}")
        if not 0 <= self.probability <= 1 or self.seconds < 0 or not 200 <= self.status <= 599:  # noqa: PLR2004
            raise ValueError("probability is 0..1, seconds at least 0, status 200..599")

    @classmethod
    def from_json(cls, value: object) -> Fault:
        """Read a fault out of a decoded JSON object; raises ValueError that says what is wrong."""
        if not isinstance(value, Mapping):
            raise ValueError("a fault is an object")  # noqa: TRY004  callers want one error type
        known = {field.name for field in fields(cls)}
        if unknown := value.keys() - known:
            raise ValueError(f"unknown field {min(unknown)!r}, known are: {', '.join(sorted(known))}")
        if "kind" not in value:
            raise ValueError("a fault has a kind")
        try:
            return cls(**{**value, "kind": FaultKind(value["kind"])})
        except TypeError as error:
            raise ValueError(str(error)) from error

    def as_json(self) -> dict[str, Any]:
        """Turn the fault into plain JSON values."""
        return asdict(self)


class FaultQueue:
    """The faults still to be played, first come first served; safe to fill from another thread."""

    def __init__(self, seed: int) -> None:
        """The seed decides the draws of the faults with a probability."""
        self._lock = threading.Lock()
        self._rng = Random(f"{seed}/faults")
        self._waiting: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        """Put a fault at the end of the queue."""
        with self._lock:
            self._waiting.append((fault, fault.count))

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """List the faults that are still to be played."""
        with self._lock:
            return [fault for fault, _ in self._waiting]

    def take(self, route: str) -> Fault | None:
        """Take the fault to play on a request of this route; at most one, and a count falls only when it is played."""
        with self._lock:
            for place, (fault, left) in enumerate(self._waiting):
                if fault.route not in (route, "any") or self._rng.random() >= fault.probability:
                    continue
                if left == 1:
                    del self._waiting[place]
                else:
                    self._waiting[place] = (fault, None if left is None else left - 1)
                return fault
        return None
