"""A backfill leaves alone what is recorded or may yet be, and gives way to what is really known."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from recorder.backfilling import Backfilled
from recorder.evidence import Evidence
from recorder.foreground import record
from recorder.reconciling import reconcile
from recorder.simulator.faults import Fault, FaultKind
from tests.factories import rows
from tests.filling import BACKFILLED, fill
from tests.recording import Harness, after_one_fire

RESULTS = "SELECT check_result_id, session_pk, attempts, outcome FROM check_results ORDER BY check_result_id"


@pytest.fixture
def recorder(engine: Engine, tmp_path: Path) -> Iterator[Harness]:
    with after_one_fire(engine, tmp_path) as made:
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
