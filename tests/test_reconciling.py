"""A trigger whose answer was lost: evidence is found at Checkly, stored out of the rates, and a person decides."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from recorder.errors import UsageError
from recorder.evidence import Evidence
from recorder.foreground import follow, record
from recorder.reconciling import reconcile, resolve
from recorder.simulator.faults import Fault, FaultKind
from tests.factories import rows
from tests.recording import Harness, after_one_fire

STAND_INS_WITHOUT_RESULTS = (
    "SELECT COUNT(*) FROM check_sessions s WHERE origin = 'reconciled' "
    "AND NOT EXISTS (SELECT 1 FROM check_results r WHERE r.session_pk = s.pk)"
)


@pytest.fixture
def recorder(engine: Engine, tmp_path: Path) -> Iterator[Harness]:
    """So that the checks of the target are known."""
    with after_one_fire(engine, tmp_path) as made:
        yield made


def lose_an_answer(recorder: Harness, kind: FaultKind = FaultKind.RESET_AFTER) -> int:
    """Trigger, act (or not), reset: the fire's number."""
    recorder.clock.follow_life()
    recorder.checkly.inject(Fault(kind=kind, route="trigger"))
    plan = recorder.parts.plans()["prod"]
    sent = recorder.triggering.trigger_now(plan.target, follow=recorder.follow, schedule="prod", origin="manual")
    assert sent.state == "ambiguous"
    return sent.fire_pk


def test_a_trigger_that_ran_is_found_and_stored_out_of_the_rates(recorder: Harness) -> None:
    fire = lose_an_answer(recorder)
    rated = rows(recorder.engine, "SELECT check_name, run_location, n FROM flakiness ORDER BY 1, 2")

    [finding] = reconcile(recorder.parts)

    assert finding.fire_pk == fire
    assert finding.evidence is not Evidence.NONE
    assert finding.results > 0
    assert rows(recorder.engine, "SELECT state, evidence FROM fires WHERE state = 'ambiguous'") == [
        ("ambiguous", finding.evidence)
    ]
    assert rows(recorder.engine, "SELECT COUNT(*) FROM check_sessions WHERE origin = 'reconciled'")[0][0] > 0
    assert rows(recorder.engine, "SELECT check_name, run_location, n FROM flakiness ORDER BY 1, 2") == rated
    assert recorder.triggers_received() == 2


def test_reconciling_again_stores_nothing_twice(recorder: Harness) -> None:
    lose_an_answer(recorder)
    reconcile(recorder.parts)
    before = rows(recorder.engine, "SELECT check_result_id, session_pk FROM check_results ORDER BY pk")

    reconcile(recorder.parts)

    assert rows(recorder.engine, "SELECT check_result_id, session_pk FROM check_results ORDER BY pk") == before


def test_a_trigger_that_never_arrived_leaves_no_evidence(recorder: Harness) -> None:
    recorder.clock.follow_life()
    recorder.checkly.inject(Fault(kind=FaultKind.RESET_BEFORE, route="trigger"))
    plan = recorder.parts.plans()["prod"]
    recorder.triggering.trigger_now(plan.target, follow=recorder.follow, schedule="prod", origin="manual")

    [finding] = reconcile(recorder.parts)

    assert (finding.evidence, finding.results) == (Evidence.NONE, 0)
    assert finding.note is not None


def test_one_run_is_evidence_for_one_of_two_fires_and_never_strong(recorder: Harness) -> None:
    """Two triggers of the same target lost their answers, and only the second one ran."""
    never_ran, ran = lose_an_answer(recorder, FaultKind.RESET_BEFORE), lose_an_answer(recorder)

    findings = {one.fire_pk: (one.evidence, one.results > 0) for one in reconcile(recorder.parts)}
    again = {one.fire_pk: (one.evidence, one.results > 0) for one in reconcile(recorder.parts)}

    assert findings == again == {never_ran: (Evidence.NONE, False), ran: (Evidence.WEAK, True)}
    assert rows(recorder.engine, "SELECT DISTINCT fire_pk FROM check_sessions WHERE origin = 'reconciled'") == [(ran,)]
    assert rows(recorder.engine, "SELECT what FROM contract_surprises") == []
    assert rows(recorder.engine, STAND_INS_WITHOUT_RESULTS) == [(0,)]


def test_results_of_a_session_that_is_still_followed_speak_for_no_lost_trigger(recorder: Harness) -> None:
    """They are at Checkly, and here they are not yet: taken as evidence they would be missing from their session."""
    lost = lose_an_answer(recorder, FaultKind.RESET_BEFORE)
    plan = recorder.parts.plans()["prod"]
    sent = recorder.triggering.trigger_now(plan.target, follow=recorder.follow, schedule="prod", origin="manual")

    [while_open] = reconcile(recorder.parts)
    recorder.clock.advance(seconds=60)  # by when each is expected to have ended
    follow(recorder.parts, scope=sent.sessions)
    [afterwards] = reconcile(recorder.parts)

    assert [(one.fire_pk, one.evidence) for one in (while_open, afterwards)] == [(lost, Evidence.NONE)] * 2
    assert "still followed" in str(while_open.note)
    assert "still followed" not in str(afterwards.note)
    assert rows(recorder.engine, "SELECT COUNT(*) FROM check_sessions WHERE origin = 'reconciled' OR is_partial") == [
        (0,)
    ]


@pytest.mark.parametrize(("ran", "state"), [(True, "triggered"), (False, "missed")])
def test_a_person_decides_and_is_written_down(recorder: Harness, *, ran: bool, state: str) -> None:
    fire = lose_an_answer(recorder)

    resolve(recorder.engine, fire, ran=ran, who="ann@host")

    assert rows(recorder.engine, "SELECT state, resolved_by FROM fires WHERE pk = :pk", pk=fire) == [
        (state, "ann@host")
    ]
    with pytest.raises(UsageError, match=f"fire {fire} is not ambiguous"):
        resolve(recorder.engine, fire, ran=ran, who="ann@host")


def test_only_ambiguous_fires_are_reconciled(recorder: Harness) -> None:
    [(triggered,)] = rows(recorder.engine, "SELECT pk FROM fires WHERE state = 'triggered'")

    with pytest.raises(UsageError, match="not ambiguous"):
        reconcile(recorder.parts, fire_pk=triggered)


def test_the_real_session_takes_the_place_of_its_stand_in(recorder: Harness) -> None:
    """Somebody finds the session's id in Checkly after all, and records it."""
    lose_an_answer(recorder)
    reconcile(recorder.parts)
    lost = [UUID(one) for one in recorder.checkly.witness().triggers[-1].check_session_ids]

    recorded, failed = record(recorder.parts, lost, timeout=recorder.follow.timeout)
    recorder.clock.advance(seconds=5)
    follow(recorder.parts, scope=lost)

    assert (len(recorded), failed) == (len(lost), {})
    found = {UUID(one) for (one,) in rows(recorder.engine, "SELECT DISTINCT check_session_id FROM result_history")}
    assert set(lost) <= found
    assert rows(
        recorder.engine,
        "SELECT COUNT(*) FROM result_history r WHERE r.origin = 'reconciled' AND EXISTS "
        "(SELECT 1 FROM result_history o WHERE o.check_result_id = r.check_result_id AND o.origin <> 'reconciled')",
    ) == [(0,)]
