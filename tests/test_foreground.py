"""Triggers of one command: sent once, written down, never left to be sent by somebody else."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from recorder.errors import ConfigError, NotSent, PerhapsSent, Refused
from recorder.foreground import run_once, trigger
from recorder.materialising import Follow
from recorder.simulator.faults import Fault, FaultKind
from recorder.targets import Target
from tests.factories import rows
from tests.recording import Harness, harness, intent, schedule, spooled, trigger_without_writing

HOUR = timedelta(hours=1)


@pytest.fixture
def recorder(engine: Engine, tmp_path: Path) -> Iterator[Harness]:
    with harness(engine, tmp_path) as made:
        yield made


def test_a_trigger_by_hand_is_a_fire_and_is_sent_once(recorder: Harness) -> None:
    sent = recorder.triggering.trigger_now(
        Target((("critical",),)), follow=Follow(HOUR), schedule=None, origin="manual"
    )

    assert sent.state == "triggered"
    assert {str(one) for one in sent.sessions} == recorder.session_ids_seen_by_the_witness()
    assert rows(recorder.engine, "SELECT DISTINCT origin FROM check_sessions") == [("manual",)]


def test_a_refused_trigger_by_hand_carries_the_error(recorder: Harness) -> None:
    recorder.checkly.inject(Fault(kind=FaultKind.STATUS, status=401))

    sent = recorder.triggering.trigger_now(
        Target((("critical",),)), follow=Follow(HOUR), schedule="prod", origin="manual"
    )

    assert isinstance(sent.error, Refused)
    assert recorder.fires() == ["rejected: 401"]


def test_a_trigger_by_hand_that_cannot_connect_is_not_left_due(engine: Engine, tmp_path: Path) -> None:
    """Nobody waits for it any more: a request that leaves minutes later would surprise."""
    with harness(engine, tmp_path) as recorder:
        gone = recorder
    sent = gone.triggering.trigger_now(Target((("critical",),)), follow=Follow(HOUR), schedule=None, origin="manual")

    assert isinstance(sent.error, NotSent)
    assert gone.fires() == ["missed: network"]


def test_an_empty_target_never_reaches_the_ledger(recorder: Harness) -> None:
    with pytest.raises(ConfigError):
        recorder.triggering.trigger_now(Target(), follow=Follow(HOUR), schedule=None, origin="manual")

    assert recorder.fires() == []
    assert recorder.triggers_received() == 0


def test_run_once_leaves_a_paused_schedule_alone(engine: Engine, tmp_path: Path) -> None:
    """Its runs would be real, with their alerts and their bill."""
    with harness(engine, tmp_path, schedule(more="paused = true")) as recorder:
        run_once(recorder.parts, on_sent=lambda _name, _sent: None, on_seen=lambda _: None)

        assert recorder.triggers_received() == 0


def test_an_answer_without_one_readable_session_is_an_error_for_its_caller(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(tags=(("smoke",),))) as recorder:
        recorder.checkly.inject(Fault(kind=FaultKind.MALFORMED_SESSION))

        sent = recorder.triggering.trigger_now(
            Target((("smoke",),)), follow=Follow(HOUR), schedule=None, origin="manual"
        )

        assert (sent.state, sent.sessions) == ("ambiguous", ())
        assert isinstance(sent.error, PerhapsSent)


def test_a_trigger_by_hand_first_takes_up_what_a_killed_one_left(recorder: Harness) -> None:
    """Where no daemon ever runs, the next command writes down the answer on disk and gives up the lost intent."""
    answered, lost = intent(recorder), intent(recorder)
    recorder.spool.keep(spooled(answered, trigger_without_writing(recorder)))
    recorder.clock.advance(minutes=3)

    trigger(recorder.parts, Target((("no-such-tag",),)), schedule=None, follow_for=Follow(HOUR))

    by_pk = dict(tuple(row) for row in rows(recorder.engine, "SELECT pk, state FROM fires ORDER BY pk"))
    assert by_pk == {answered.pk: "triggered", lost.pk: "ambiguous", lost.pk + 1: "no_match"}
    assert recorder.sessions() > 0
    assert list(recorder.spool.waiting()) == []
