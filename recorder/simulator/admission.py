"""Who may call: keys, account header and rate limits."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from recorder.simulator.matching import is_uuid
from recorder.simulator.refusals import Refusal, bad_request

READ_ONLY_KEY: Final = "read-only"
NO_PLAN_KEY: Final = "no-plan"
WRITING_ROUTES: Final = frozenset({"trigger", "cancel"})
BILLED_ROUTES: Final = frozenset({"trigger"})


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests per window and account; check results have a window of their own, as documented."""

    requests: int = 600
    check_results: int = 60
    window_seconds: float = 60.0


@dataclass
class Turnstile:
    """Counts the requests of each account in a sliding window."""

    limits: RateLimits
    _passed: dict[tuple[str, bool], deque[float]] = field(default_factory=dict)

    def let_through(self, account_id: str, route: str, now_seconds: float) -> None:
        """Count one request at this monotonic time; raises a 429 Refusal with `Retry-After` when over the limit."""
        is_results = route == "check_results"
        limit = self.limits.check_results if is_results else self.limits.requests
        passed = self._passed.setdefault((account_id, is_results), deque())
        while passed and passed[0] <= now_seconds - self.limits.window_seconds:
            passed.popleft()
        if len(passed) >= limit:
            until_free = (passed[0] if passed else now_seconds) + self.limits.window_seconds - now_seconds
            raise Refusal(429, "Too Many Requests", retry_after=max(1, math.ceil(until_free)))
        passed.append(now_seconds)


def check_key(headers: Mapping[str, str], route: str, refused_keys: frozenset[str]) -> None:
    """Raise the Refusal that this `Authorization` header earns on this route; most keys earn none."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Refusal(401, "Missing authentication")
    if key in refused_keys:
        raise Refusal(401, "Bad Token")
    if key == READ_ONLY_KEY and route in WRITING_ROUTES:
        raise Refusal(403, "You don't have permission to perform this action.")
    if key == NO_PLAN_KEY and route in BILLED_ROUTES:
        raise Refusal(402, "Your plan does not include this feature.")


def account_id_of(headers: Mapping[str, str], known_accounts: frozenset[str] | None) -> str:
    """Read the account out of `X-Checkly-Account`; 400 when missing or malformed, 403 when it is not a known one.

    `known_accounts` None means that every well-formed account is served.
    """
    account_id = headers.get("x-checkly-account")
    if account_id is None:
        raise bad_request("X-Checkly-Account header is required")
    if not is_uuid(account_id):
        raise bad_request('"x-checkly-account" must be a valid GUID')
    if known_accounts is not None and account_id.lower() not in known_accounts:
        raise Refusal(403, "You don't have access to this account.")
    return account_id.lower()
