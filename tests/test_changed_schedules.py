"""What a change of a schedule means for the time before it."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from recorder.gaps import GAP_LIMIT
from tests.factories import rows
from tests.recording import Harness, harness, schedule

PAUSED = schedule(more="paused = true")


def change(recorder: Harness, how: str, configuration: str, folder: Path) -> Harness:
    """Tell the recorder otherwise, while it runs or by a restart."""
    if how == "reload":
        recorder.tell(configuration, folder)
        return recorder
    return recorder.restart_with(configuration, folder)


HOWS = pytest.mark.parametrize("how", ["reload", "restart"])


def test_another_cadence_holds_from_now_on_and_not_for_the_time_before(engine: Engine, tmp_path: Path) -> None:
    """Three in the morning becomes nine at eight in the evening: nothing is due before the next nine."""
    with harness(engine, tmp_path, schedule(every="24h")) as recorder:  # enrolled at noon, due at midnight
        recorder.clock.advance(hours=8)

        changed = recorder.restart_with(schedule(every="1h"), tmp_path)
        changed.triggering.work()
        before = changed.fires()
        changed.clock.advance(hours=1)
        changed.triggering.work()

        assert before == []
        assert changed.fires() == ["triggered"]


@HOWS
def test_what_was_due_by_the_old_cadence_while_nobody_looked_keeps_its_rows(
    how: str, engine: Engine, tmp_path: Path
) -> None:
    """A running daemon has looked until now; what passed while none was there is not sent by another definition."""
    with harness(engine, tmp_path, schedule(every="10m")) as recorder:
        recorder.clock.advance(minutes=35)

        changed = change(recorder, how, schedule(every="1h"), tmp_path)
        changed.triggering.work()

        if how == "reload":
            assert changed.fires() == ["skipped: coalesced", "skipped: coalesced", "triggered"]
        else:
            assert changed.fires() == ["skipped: config_removed"] * 3
            assert changed.triggers_received() == 0


def test_a_schedule_that_comes_back_has_a_row_for_each_instant_of_its_absence(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(every="10m")) as recorder:
        recorder.tell(schedule("other", every="24h"), tmp_path)
        recorder.clock.advance(minutes=25)

        recorder.tell(schedule(every="10m"), tmp_path)
        recorder.clock.advance(minutes=6)
        recorder.triggering.work()

        assert recorder.fires() == ["skipped: config_removed"] * 2 + ["triggered"]


@HOWS
def test_what_passed_in_a_pause_is_not_made_up_for(how: str, engine: Engine, tmp_path: Path) -> None:
    """The end of a pause is no reason to run what was held back."""
    with harness(engine, tmp_path, PAUSED) as recorder:
        recorder.clock.advance(minutes=25)

        changed = change(recorder, how, schedule(), tmp_path)
        changed.triggering.work()

        assert changed.fires() == ["skipped: paused"] * 2
        assert changed.triggers_received() == 0


@HOWS
def test_a_pause_holds_back_what_is_due_already(how: str, engine: Engine, tmp_path: Path) -> None:
    """It waits for its jitter, or for a second try; nothing leaves once somebody has said stop."""
    with harness(engine, tmp_path, schedule(more='jitter = "5m"')) as recorder:
        recorder.clock.advance(minutes=10)
        recorder.triggering.work()

        changed = change(recorder, how, schedule(more='jitter = "5m"\npaused = true'), tmp_path)
        changed.clock.advance(minutes=6)
        changed.triggering.work()

        assert changed.fires() == ["skipped: paused"]
        assert changed.triggers_received() == 0


def test_other_changes_let_the_newest_instant_run(engine: Engine, tmp_path: Path) -> None:
    """Another target is no other cadence: what is due is due."""
    with harness(engine, tmp_path, schedule()) as recorder:
        recorder.clock.advance(minutes=10)

        changed = recorder.restart_with(schedule(tags=(("critical", "!x"),)), tmp_path)
        changed.triggering.work()

        assert changed.fires() == ["triggered"]


def test_a_process_that_slept_while_another_was_told_otherwise_sends_nothing_more(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was taken for dead; what is due belongs to whoever was told last."""
    with harness(engine, tmp_path, schedule() + schedule("other")) as sleeper:
        awake = sleeper.restart_with(schedule(tags=(("critical", "!x"),)), tmp_path)
        sleeper.clock.advance(minutes=10)
        sleeper.triggering.work()
        before = sleeper.triggers_received()
        awake.triggering.materialise()
        sleeper.triggering.work()
        said = capsys.readouterr().out
        asleep_sent = sleeper.triggers_received()
        awake.triggering.work()

        assert (before, asleep_sent, awake.triggers_received()) == (0, 0, 1)
        assert awake.fires() == ["triggered"]
        assert "another daemon was told otherwise" in said


def test_a_schedule_that_leaves_after_a_time_without_a_daemon_has_a_row_for_each_instant(
    engine: Engine, tmp_path: Path
) -> None:
    with harness(engine, tmp_path, schedule("gone") + schedule("stays")) as recorder:
        recorder.clock.advance(minutes=35)

        recorder.restart_with(schedule("stays"), tmp_path)

        assert recorder.fires() == ["skipped: config_removed"] * 3


def test_a_long_pause_is_one_gap_row_that_says_paused(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(every="1s", more="paused = true")) as recorder:
        recorder.clock.advance(hours=5)

        recorder.triggering.work()

        assert rows(engine, "SELECT state, reason, gap_count FROM fires") == [("skipped", "paused", 18_000)]


def test_a_gap_swallows_nothing_that_is_still_in_time(engine: Engine, tmp_path: Path) -> None:
    """With `skip` every instant inside its grace is due, however many were missed before it."""
    with harness(engine, tmp_path, schedule(every="1s", more='misfire = "skip"\nmisfire_grace = "5m"')) as recorder:
        recorder.clock.advance(hours=5)

        recorder.triggering.materialise()

        counts = rows(engine, "SELECT state, COUNT(*), SUM(gap_count) FROM fires GROUP BY state ORDER BY state")
        assert counts == [("due", 301, None), ("missed", 1, 18_000 - 301)]
        assert GAP_LIMIT > 301
