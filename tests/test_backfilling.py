"""What Checkly still keeps is fetched once, stored out of the rates, and gives way to what is really known."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from recorder import wiring
from recorder.backfilling import Backfilled, backfill_check, slices_of
from recorder.budget import RequestBudget
from recorder.clock import monotonic, utc_now
from recorder.config import load_settings
from recorder.errors import NoSuchThing, Refused
from recorder.evidence import Evidence
from recorder.foreground import follow, record
from recorder.reconciling import reconcile
from recorder.simulator.faults import Fault, FaultKind
from recorder.simulator.server import SimulatorServer
from recorder.wiring import Parts
from tests.commands import quick_checkly
from tests.factories import CHECK_ID, rows, some_id
from tests.recording import RESULTS_PER_MINUTE, Harness, harness
from tests.sockets import ScriptedServer, http_answer, saying

RESULTS = "SELECT check_result_id, session_pk, attempts, outcome FROM check_results ORDER BY check_result_id"
SESSIONS = (
    "SELECT s.check_session_id, s.started_at, s.stopped_at, COUNT(*) FROM session_history s JOIN result_history r "
    "ON r.check_session_id = s.check_session_id AND r.result_type = 'FINAL' GROUP BY 1, 2, 3 ORDER BY 1"
)
BACKFILLED = "SELECT COUNT(*) FROM session_history WHERE origin = 'backfill'"


@pytest.fixture
def checkly() -> Iterator[SimulatorServer]:
    """An account with a day of the past."""
    with quick_checkly() as server:
        yield server


def parts_for(engine: Engine, base_url: str, account_id: str, folder: Path) -> Parts:
    """The parts of one command, with a budget that is no part of the test."""
    environ = {"CHECKLY_API_KEY": "demo-key", "CHECKLY_ACCOUNT_ID": account_id, "CHECKLY_API_URL": base_url}
    parts = wiring.build(load_settings(None, environ=environ, cwd=folder), engine, now=utc_now)
    return replace(parts, results_budget=RequestBudget(RESULTS_PER_MINUTE, monotonic=monotonic))


def first_check(checkly: SimulatorServer) -> UUID:
    return UUID(checkly.world.eligible()[0].check_id)


def fill(
    parts: Parts, check_id: UUID, *, start: datetime | None = None, end: datetime | None = None, tries: int = 2
) -> tuple[Backfilled, list[str]]:
    """Backfill the last two days, or what is named; and what was said."""
    said: list[str] = []
    now = parts.now()
    done = backfill_check(
        parts,
        check_id,
        start=start or now - timedelta(days=2),
        end=end or now,
        on_trouble=said.append,
        tries=tries,
    )
    return done, said


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


def test_windows_that_meet_in_the_middle_of_a_run_do_not_cut_it(
    engine: Engine, checkly: SimulatorServer, tmp_path: Path
) -> None:
    """A run belongs to the window in which it starts, wholly."""
    parts, check = parts_for(engine, checkly.base_url, checkly.account_id, tmp_path), first_check(checkly)
    runs = checkly.world.eligible()[0].frequency_minutes * timedelta(minutes=1)
    start = parts.now() - timedelta(hours=12)
    edges = [start, start + 4 * runs, *(start + 5 * runs + timedelta(seconds=n) for n in range(0, 20, 2))]

    for first, last in pairwise(edges):
        fill(parts, check, start=first, end=last)
    pieces = rows(engine, SESSIONS)
    again, _ = fill(parts, check, start=edges[0], end=edges[-1])

    assert again.known == again.results
    assert rows(engine, SESSIONS) == pieces
    assert {count for *_, count in pieces} == {len(checkly.world.eligible()[0].locations)}


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


def test_a_stop_stores_no_half_of_a_slice(engine: Engine, checkly: SimulatorServer, tmp_path: Path) -> None:
    """In which order the pages come is nobody's promise: half of them may hold halves of runs."""
    parts = parts_for(engine, checkly.base_url, checkly.account_id, tmp_path)
    parts.stop.set()

    done, _ = fill(parts, first_check(checkly))

    assert done == Backfilled()
    assert rows(engine, BACKFILLED) == [(0,)]


@pytest.fixture
def recorder(engine: Engine, tmp_path: Path) -> Iterator[Harness]:
    """A recorder that has recorded one fire, by a clock that goes with the simulator's."""
    with harness(engine, tmp_path) as made:
        made.clock.follow_life()
        made.clock.advance(minutes=10)
        made.triggering.work()
        made.clock.advance(seconds=20)
        follow(made.parts, scope=None)
        yield made


def checks_of(recorder: Harness) -> list[UUID]:
    return [UUID(one) for (one,) in rows(recorder.engine, "SELECT DISTINCT check_id FROM session_history ORDER BY 1")]


def fill_all(recorder: Harness, checks: list[UUID]) -> Backfilled:
    return sum((fill(recorder.parts, check_id)[0] for check_id in checks), Backfilled())


def trigger(recorder: Harness) -> list[UUID]:
    """Trigger now, and wait at Checkly until the sessions are over; the recorder does not hear of it."""
    known = recorder.session_ids_seen_by_the_witness()
    plan = recorder.parts.plans()["prod"]
    recorder.triggering.trigger_now(plan.target, follow=recorder.follow, schedule="prod", origin="manual")
    started = [UUID(one) for one in sorted(recorder.session_ids_seen_by_the_witness() - known)]
    with recorder.parts.new_client() as client:
        for one in started:
            client.fetch_completion(one, max_wait_s=30)
    return started


def lose_an_answer(recorder: Harness) -> list[UUID]:
    """Trigger and act on it; the ids of the sessions are lost on their way."""
    recorder.clock.follow_life()
    recorder.checkly.inject(Fault(kind=FaultKind.RESET_AFTER, route="trigger"))
    return trigger(recorder)


def test_recorded_results_are_left_alone(recorder: Harness) -> None:
    before = rows(recorder.engine, RESULTS)
    recorder.clock.advance(hours=2)

    done = fill_all(recorder, checks_of(recorder))

    assert done == Backfilled(results=len(before), known=len(before))
    assert rows(recorder.engine, RESULTS) == before
    assert rows(recorder.engine, BACKFILLED) == [(0,)]


def test_runs_that_may_still_be_on_their_way_are_left_for_later(recorder: Harness) -> None:
    """Their session may be about to be recorded; an hour later they are taken."""
    lose_an_answer(recorder)
    recorder.clock.advance(minutes=20)

    soon = fill_all(recorder, checks_of(recorder))
    recorder.clock.advance(hours=1)
    later = fill_all(recorder, checks_of(recorder))

    assert soon.unsettled > 0
    assert soon.written.sessions == 0
    assert later.written.results == soon.unsettled


def test_results_that_fit_a_followed_session_are_left_to_it(recorder: Harness) -> None:
    """It may be followed for an hour, with its results at Checkly long before."""
    recorder.clock.follow_life()
    trigger(recorder)
    recorder.clock.advance(minutes=45)

    done = fill_all(recorder, checks_of(recorder))

    assert done.unsettled > 0
    assert rows(recorder.engine, BACKFILLED) == [(0,)]


def test_what_was_backfilled_is_still_evidence_of_a_lost_trigger(recorder: Harness) -> None:
    lose_an_answer(recorder)
    recorder.clock.advance(hours=1)
    filled = fill_all(recorder, checks_of(recorder))

    [finding] = reconcile(recorder.parts)

    assert finding.evidence is not Evidence.NONE
    assert finding.results == filled.written.results
    assert rows(recorder.engine, BACKFILLED) == [(0,)]
    assert rows(recorder.engine, "SELECT what FROM contract_surprises") == []
    assert fill_all(recorder, checks_of(recorder)).written.sessions == 0


def test_the_real_session_takes_its_results_from_the_one_that_stood_in_for_it(recorder: Harness) -> None:
    """And counts, as the stand-in did not."""
    lost = lose_an_answer(recorder)
    recorder.clock.advance(hours=1)
    filled = fill_all(recorder, checks_of(recorder))

    record(recorder.parts, lost, timeout=timedelta(hours=1))

    assert rows(recorder.engine, BACKFILLED) == [(0,)]
    assert rows(recorder.engine, "SELECT COUNT(*) FROM result_history WHERE origin = 'manual'") == [
        (filled.written.results,)
    ]
    assert rows(recorder.engine, "SELECT what FROM contract_surprises") == []


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
