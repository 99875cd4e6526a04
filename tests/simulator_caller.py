"""A plain HTTP caller of the simulator and a clock that only moves when told to."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx

from recorder.simulator.server import SimulatorServer

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
BARE_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # plain http only: reading the CA file costs 50 ms a client
Payload = dict[str, Any]


@dataclass
class SteppedClock:
    """Stands still at noon until a test advances it."""

    elapsed_seconds: float = 0.0
    started_at: datetime = field(default=NOON)

    def now(self) -> datetime:
        return self.started_at + timedelta(seconds=self.elapsed_seconds)

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed_seconds

    def advance(self, seconds: float) -> None:
        self.elapsed_seconds += seconds


class Caller:
    """Speaks one version of the API to a simulator, as one account with one key."""

    def __init__(self, client: httpx.Client, version: Literal["v1", "v2"] = "v2") -> None:
        self.client = client
        self.root = f"/{version}/check-sessions"

    def trigger(self, *groups: list[str], check_ids: list[str] | None = None) -> httpx.Response:
        target: Payload = {"matchTags": list(groups)} if groups else {}
        if check_ids is not None:
            target["checkId"] = check_ids
        return self.client.post(f"{self.root}/trigger", json={"target": target})

    def sessions(self, *groups: list[str], check_ids: list[str] | None = None) -> list[Payload]:
        answer = self.trigger(*groups, check_ids=check_ids)
        assert answer.status_code == 201, answer.text
        sessions: list[Payload] = answer.json()["sessions"]
        return sessions

    def retrieve(self, session_id: str) -> httpx.Response:
        return self.client.get(f"{self.root}/{session_id}")

    def complete(self, session_id: str, max_wait_seconds: float = 10) -> httpx.Response:
        return self.client.get(f"{self.root}/{session_id}/completion", params={"maxWaitSeconds": max_wait_seconds})


@contextmanager
def calling(
    sim: SimulatorServer, *, version: Literal["v1", "v2"] = "v2", key: str = "x", account_id: str | None = None
) -> Iterator[Caller]:
    """Open a caller; the account is the simulator's own unless another one is named."""
    headers = {"Authorization": f"Bearer {key}", "X-Checkly-Account": account_id or sim.account_id}
    with httpx.Client(base_url=sim.base_url, headers=headers, timeout=20, trust_env=False, verify=BARE_TLS) as client:
        yield Caller(client, version)
