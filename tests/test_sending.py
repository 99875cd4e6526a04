"""What one answer to a trigger means for everything else that is to be sent."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from recorder.materialising import Follow
from recorder.simulator.faults import Fault, FaultKind
from recorder.targets import Target
from tests.recording import harness


def test_a_trigger_answered_by_503_and_a_time_to_wait_holds_everything_back(engine: Engine, tmp_path: Path) -> None:
    """The trigger itself is never sent again: it may have been acted on."""
    with harness(engine, tmp_path) as recorder:
        recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="trigger", status=503, retry_after="30"))

        follow = Follow(timedelta(hours=1))
        recorder.triggering.trigger_now(Target((("critical",),)), follow=follow, schedule=None, origin="manual")

        assert recorder.fires() == ["ambiguous: http_5xx"]
        recorder.clock.pass_by(25)
        assert recorder.parts.budget.take_for_reads(1) == 0
        recorder.clock.pass_by(15)
        assert recorder.parts.budget.take_for_reads(1) == 1
