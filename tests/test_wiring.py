"""What the parts of a process share, from its very first request on."""

from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from recorder import wiring
from recorder.access import ChecklyAccess
from recorder.config import load_settings
from recorder.errors import TryLater
from tests.asking import KEY
from tests.sockets import ScriptedServer, http_answer, saying

ENVIRON = {"CHECKLY_API_KEY": KEY, "CHECKLY_ACCOUNT_ID": str(UUID(int=1))}


def test_the_request_that_verifies_the_key_is_one_of_the_budget(sqlite_engine: Engine, tmp_path: Path) -> None:
    """At 600 a minute it would be the one too many."""
    (tmp_path / "recorder.toml").write_text("[checkly]\nrequests_per_minute = 1\n")
    settings = load_settings(None, environ=ENVIRON, cwd=tmp_path)
    with ScriptedServer(saying(http_answer(404, {"statusCode": 404}))) as server:
        access = ChecklyAccess(api_key=KEY, account_id=UUID(int=1), base_url=server.url)
        budget = wiring.request_budget(settings)
        assert wiring.verify_access(access, budget) is None

    parts = wiring.build(settings, sqlite_engine, budget=budget)
    assert parts.budget.take_for_reads(1) == 0
    assert wiring.build(settings, sqlite_engine).budget.take_for_reads(1) == 1


def test_a_429_to_the_request_that_verifies_the_key_holds_back_what_follows(tmp_path: Path) -> None:
    settings = load_settings(None, environ=ENVIRON, cwd=tmp_path)
    with ScriptedServer(saying(http_answer(429, {"statusCode": 429}, "Retry-After: 20"))) as server:
        access = ChecklyAccess(api_key=KEY, account_id=UUID(int=1), base_url=server.url)
        budget = wiring.request_budget(settings)

        assert isinstance(wiring.verify_access(access, budget), TryLater)

    assert budget.take_for_reads(1) == 0
