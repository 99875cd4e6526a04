"""What Checkly still keeps is fetched once, in weeks and pages, and stored out of the rates."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import Engine

from recorder.backfilling import Backfilled, slices_of
from recorder.clock import utc_now
from recorder.errors import NoSuchThing, Refused, TryLater
from recorder.simulator.faults import Fault, FaultKind
from recorder.simulator.server import SimulatorServer
from recorder.wiring import Parts
from tests.commands import quick_checkly
from tests.factories import CHECK_ID, rows, some_id
from tests.filling import BACKFILLED, fill, parts_for
from tests.sockets import Conversation, Script, ScriptedServer, http_answer, saying


@pytest.fixture
def checkly() -> Iterator[SimulatorServer]:
    """An account with a day of the past."""
    with quick_checkly() as server:
        yield server


def first_check(checkly: SimulatorServer) -> UUID:
    return UUID(checkly.world.eligible()[0].check_id)


def test_results_become_sessions_that_are_seen_and_count_in_no_rate(
    engine: Engine, checkly: SimulatorServer, tmp_path: Path
) -> None:
    done, said = fill(parts_for(engine, checkly.base_url, checkly.account_id, tmp_path), first_check(checkly))

    assert done.written.sessions > 10
    assert done.results == done.written.results + done.unsettled
    assert said == []
    kinds = "SELECT DISTINCT origin, session_status, excluded FROM result_history"
    assert [(origin, status, bool(out)) for origin, status, out in rows(engine, kinds)] == [
        ("backfill", "BACKFILLED", True)
    ]
    assert rows(engine, "SELECT COUNT(*) FROM result_history") == [(done.written.results,)]
    assert rows(engine, "SELECT DISTINCT check_name FROM session_history") == [(checkly.world.eligible()[0].name,)]
    assert rows(engine, "SELECT * FROM daily_pass_rate") == []
    assert rows(engine, "SELECT * FROM flakiness") == []


def test_the_runs_are_those_that_checkly_made(engine: Engine, checkly: SimulatorServer, tmp_path: Path) -> None:
    """Each with one FINAL for each of its locations."""
    fill(parts_for(engine, checkly.base_url, checkly.account_id, tmp_path), first_check(checkly))

    finals = (
        "SELECT s.check_session_id, COUNT(*), COUNT(DISTINCT r.run_location) FROM session_history s JOIN "
        "result_history r ON r.check_session_id = s.check_session_id WHERE r.result_type = 'FINAL' GROUP BY 1"
    )
    locations = len(checkly.world.eligible()[0].locations)
    assert {(count, places) for _, count, places in rows(engine, finals)} == {(locations, locations)}


def test_doing_it_again_changes_nothing(engine: Engine, checkly: SimulatorServer, tmp_path: Path) -> None:
    parts = parts_for(engine, checkly.base_url, checkly.account_id, tmp_path)
    end = parts.now() - timedelta(hours=1)
    first, _ = fill(parts, first_check(checkly), end=end)
    tables = ("check_sessions", "check_results", "payloads", "checks", "contract_surprises")
    everything = [f"SELECT * FROM {table} ORDER BY pk" for table in tables]  # noqa: S608 - names of our own tables
    before = [rows(engine, select) for select in everything]

    again, _ = fill(parts, first_check(checkly), end=end)

    assert again == Backfilled(results=first.results, known=first.results)
    assert [rows(engine, select) for select in everything] == before


def test_a_page_that_is_refused_for_now_is_asked_for_again(
    engine: Engine, checkly: SimulatorServer, tmp_path: Path
) -> None:
    checkly.inject(Fault(kind=FaultKind.STATUS, route="check_results", status=429, retry_after="0"))

    done, _ = fill(parts_for(engine, checkly.base_url, checkly.account_id, tmp_path), first_check(checkly))

    assert done.written.sessions > 10


@pytest.mark.parametrize(("status", "error"), [(401, Refused), (402, Refused), (404, NoSuchThing)])
def test_what_waiting_does_not_mend_is_asked_for_once(
    engine: Engine, checkly: SimulatorServer, tmp_path: Path, status: int, error: type[Exception]
) -> None:
    checkly.inject(Fault(kind=FaultKind.STATUS, route="check_results", status=status, count=None))

    with pytest.raises(error):
        fill(parts_for(engine, checkly.base_url, checkly.account_id, tmp_path), first_check(checkly), tries=5)

    assert checkly.witness().requests["check_results"] == 1


def test_a_page_that_stays_away_is_given_up(engine: Engine, checkly: SimulatorServer, tmp_path: Path) -> None:
    checkly.inject(Fault(kind=FaultKind.STATUS, route="check_results", status=503, retry_after="0", count=None))

    with pytest.raises(TryLater):
        fill(parts_for(engine, checkly.base_url, checkly.account_id, tmp_path), first_check(checkly), tries=3)

    assert checkly.witness().requests["check_results"] == 3


def test_a_stop_stores_no_half_of_a_slice(engine: Engine, tmp_path: Path) -> None:
    """In which order the pages come is nobody's promise: half of them may hold halves of runs."""
    stop = threading.Event()
    first_page = http_answer(200, {"length": 1, "entries": [an_entry("first")], "nextId": "more"})

    def stop_after_the_first_page(conversation: Conversation) -> None:
        conversation.read_request()
        stop.set()
        conversation.send(first_page)

    with ScriptedServer(stop_after_the_first_page) as server:
        parts = replace(parts_for(engine, server.url, some_id("account"), tmp_path), stop=stop)
        done, _ = fill(parts, UUID(CHECK_ID))

    assert done == Backfilled()
    assert rows(engine, BACKFILLED) == [(0,)]


@contextmanager
def scripted(engine: Engine, folder: Path, *entries: Any) -> Iterator[Parts]:
    """A Checkly whose every list of results holds these entries."""
    page = http_answer(200, {"length": len(entries), "entries": list(entries), "nextId": None})
    with ScriptedServer(saying(page), saying(page)) as server:
        yield parts_for(engine, server.url, some_id("account"), folder)


def an_entry(name: str, **more: Any) -> dict[str, Any]:
    at = (utc_now() - timedelta(hours=5)).isoformat()
    return {
        "id": some_id(name),
        "checkId": CHECK_ID,
        "runLocation": "eu",
        "resultType": "FINAL",
        "startedAt": at,
    } | more


def test_an_entry_that_cannot_be_read_is_kept_once_and_the_others_are_stored(engine: Engine, tmp_path: Path) -> None:
    with scripted(engine, tmp_path, an_entry("good"), {"id": 5}, None) as parts:
        (first, said), (again, _) = fill(parts, UUID(CHECK_ID)), fill(parts, UUID(CHECK_ID))

    assert (first.malformed, first.written.sessions, again.malformed, again.known) == (2, 1, 2, 1)
    assert "2 entries cannot be read" in said[0]
    assert rows(engine, "SELECT COUNT(*) FROM payloads WHERE kind = 'check_result'") == [(2,)]


def keeping(*entries: dict[str, Any]) -> Script:
    """A list of results that knows from when to when it is asked for, by each result's own start."""

    def script(conversation: Conversation) -> None:
        while (request := conversation.read_request()) is not None:
            asked = parse_qs(urlsplit(request.target).query)
            start, end = int(asked["from"][0]), int(asked["to"][0])
            some = [one for one in entries if start <= datetime.fromisoformat(one["startedAt"]).timestamp() < end]
            conversation.send(http_answer(200, {"length": len(some), "entries": some, "nextId": None}))

    return script


def test_a_run_that_reaches_over_the_edge_of_a_window_is_not_cut(engine: Engine, tmp_path: Path) -> None:
    """It belongs to the window in which it starts, wholly, and to no other one."""
    began = utc_now().replace(microsecond=0) - timedelta(hours=5)
    edge = began + timedelta(minutes=5)
    late = (edge + timedelta(minutes=5)).isoformat()
    run = [an_entry("eu", checkRunId=7, startedAt=began.isoformat()), an_entry("us", checkRunId=7, startedAt=late)]
    script = keeping(run[0], run[1] | {"runLocation": "us"})

    with ScriptedServer(script, script, script) as server:
        parts = parts_for(engine, server.url, some_id("account"), tmp_path)
        after, _ = fill(parts, UUID(CHECK_ID), start=edge)
        before, _ = fill(parts, UUID(CHECK_ID), end=edge)

    assert after == Backfilled()
    assert (before.written.sessions, before.written.results) == (1, 2)


def test_a_result_of_another_check_or_without_a_start_is_not_taken(engine: Engine, tmp_path: Path) -> None:
    """A server that answers about something else; a run that waits in a queue."""
    others = [an_entry("other", checkId=some_id("another")), an_entry("waiting", startedAt=None)]
    with scripted(engine, tmp_path, *others) as parts:
        done, _ = fill(parts, UUID(CHECK_ID))

    assert done == Backfilled(results=1, unsettled=1)


def test_surprises_of_the_contract_are_counted_once(engine: Engine, tmp_path: Path) -> None:
    with scripted(engine, tmp_path, an_entry("odd", mood="good")) as parts:
        fill(parts, UUID(CHECK_ID))
        fill(parts, UUID(CHECK_ID))

    assert rows(engine, "SELECT what, times FROM contract_surprises") == [("field check_result.mood", 1)]
    assert rows(engine, BACKFILLED) == [(1,)]


def test_a_long_window_is_cut_into_weeks_the_oldest_first() -> None:
    """Checkly forgets the oldest first."""
    start = datetime(2026, 10, 1, tzinfo=UTC)

    parts = slices_of(start, start + timedelta(days=16))

    assert [(first - start).days for first, _ in parts] == [0, 7, 14]
    assert [(last - start).days for _, last in parts] == [7, 14, 16]
