"""Ways to ask a scripted server through the client, shared by the tests of what goes wrong."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

from recorder.access import ChecklyAccess
from recorder.checkly import ChecklyClient
from recorder.clock import Monotonic, monotonic
from recorder.targets import Target
from tests import documented
from tests.sockets import Script, http_answer, saying

KEY: Final = "cu_0123456789abcdef"
SESSION_ID: Final = UUID(documented.CHECK_SESSION_ID)
BODY: Final = Target(match_tags=(("production",),)).request_body()
NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
SHORT_S: Final = 0.4
"""A budget that is meant to run out."""

Ask: TypeAlias = Callable[[ChecklyClient], object]


def client(
    base_url: str, *, timeout_s: float = 5.0, api_key: str = KEY, monotonic: Monotonic = monotonic
) -> ChecklyClient:
    access = ChecklyAccess(api_key=api_key, account_id=UUID(int=1), base_url=base_url, timeout_s=timeout_s)
    return ChecklyClient(access, monotonic=monotonic, now=lambda: NOW)


def trigger(checkly: ChecklyClient) -> object:
    return checkly.trigger(BODY)


def fetch(checkly: ChecklyClient) -> object:
    return checkly.fetch_session(SESSION_ID)


def complete(checkly: ChecklyClient) -> object:
    return checkly.fetch_completion(SESSION_ID, max_wait_s=1)


def cancel(checkly: ChecklyClient) -> object:
    checkly.cancel_session(SESSION_ID)
    return None


def error(status: int, *headers: str, message: str = "so it is") -> Script:
    return saying(http_answer(status, {"statusCode": status, "error": "Error", "message": message}, *headers))
