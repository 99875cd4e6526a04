"""What really reached the simulator: every trigger it acted on, every request and answer by route."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from recorder.simulator.payloads import wire_time

SECRET_HEADERS: Final = frozenset({"authorization", "cookie"})
ROUTES: Final = (
    ("trigger", "POST", re.compile(r"/v[12]/check-sessions/trigger")),
    ("completion", "GET", re.compile(r"/v[12]/check-sessions/[^/]+/completion")),
    ("cancel", "POST", re.compile(r"/v1/check-sessions/[^/]+/cancel")),
    ("retrieve", "GET", re.compile(r"/v[12]/check-sessions/[^/]+")),
    ("check_results", "GET", re.compile(r"/v[12]/check-results/[^/]+")),
    ("check_result", "GET", re.compile(r"/v1/check-results/[^/]+/[^/]+")),
    ("checks", "GET", re.compile(r"/v1/checks(/[^/]+)?")),
    ("check_statuses", "GET", re.compile(r"/v1/check-statuses(/[^/]+)?")),
    ("accounts", "GET", re.compile(r"/next/accounts(/[^/]+)?")),
)
ROUTE_NAMES: Final = (*(name for name, _, _ in ROUTES), "other")


def route_of(method: str, path: str) -> str:
    """Name the route of a request: one of ROUTE_NAMES."""
    for name, its_method, pattern in ROUTES:
        if method == its_method and pattern.fullmatch(path):
            return name
    return "other"


@dataclass(frozen=True, slots=True)
class TriggerRecord:
    """A trigger that was acted on: sessions exist because of it, whether or not its sender ever heard."""

    sequence: int
    received_at: str
    path: str
    account_id: str
    user_agent: str
    headers: dict[str, str]
    body: Any
    check_session_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Testimony:
    """A copy of what the witness knows; `answers` maps route to status to count."""

    triggers: tuple[TriggerRecord, ...] = ()
    requests: dict[str, int] = field(default_factory=dict)
    answers: dict[str, dict[int, int]] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Turn the testimony into plain JSON values."""
        return asdict(self)


class Witness:
    """Takes notes; safe to read from another thread."""

    def __init__(self) -> None:
        """Start with an empty notebook."""
        self._lock = threading.Lock()
        self._triggers: list[TriggerRecord] = []
        self._requests: Counter[str] = Counter()
        self._answers: Counter[tuple[str, int]] = Counter()
        self._faults: Counter[str] = Counter()

    def note_request(self, route: str) -> None:
        """Count a request that arrived."""
        with self._lock:
            self._requests[route] += 1

    def note_answer(self, route: str, status: int) -> None:
        """Count a status line that was sent."""
        with self._lock:
            self._answers[route, status] += 1

    def note_fault(self, kind: str) -> None:
        """Count a fault that was played."""
        with self._lock:
            self._faults[kind] += 1

    def note_trigger(
        self,
        *,
        received_at: datetime,
        path: str,
        account_id: str,
        headers: Mapping[str, str],
        body: object,
        check_session_ids: Sequence[str],
    ) -> None:
        """Log a trigger that started sessions, without its key."""
        kept = {name: value for name, value in headers.items() if name.lower() not in SECRET_HEADERS}
        with self._lock:
            record = TriggerRecord(
                sequence=len(self._triggers) + 1,
                received_at=wire_time(received_at),
                path=path,
                account_id=account_id,
                user_agent=headers.get("user-agent", ""),
                headers=kept,
                body=body,
                check_session_ids=tuple(check_session_ids),
            )
            self._triggers.append(record)

    def testify(self) -> Testimony:
        """Copy everything noted so far."""
        with self._lock:
            answers: dict[str, dict[int, int]] = {}
            for (route, status), count in self._answers.items():
                answers.setdefault(route, {})[status] = count
            return Testimony(tuple(self._triggers), dict(self._requests), answers, dict(self._faults))
