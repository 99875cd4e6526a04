"""A running daemon whose clock is set: it says so, and goes by the time that it is told now."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine, event
from structlog.testing import capture_logs

from recorder.daemon import Daemon
from tests.factories import rows
from tests.processes import wait_until
from tests.recording import Harness, harness, schedule

OFTEN = schedule(every="1s", more='overlap = "allow"')


@contextmanager
def at_work(recorder: Harness) -> Iterator[None]:
    """The daemon's threads in this process, on a wall clock that the test sets."""
    parts = replace(recorder.parts, wall=recorder.clock.now)
    recorder.clock.walk(1.0)
    thread = threading.Thread(target=Daemon(parts, stop_within_s=60.0).run)
    thread.start()
    try:
        yield
    finally:
        parts.stop.set()
        thread.join()


def test_a_clock_that_is_set_back_by_a_day_silences_no_schedule(engine: Engine, tmp_path: Path) -> None:
    with capture_logs() as said, harness(engine, tmp_path, OFTEN) as recorder, at_work(recorder):
        wait_until(lambda: "triggered" in recorder.fires(), "a fire")
        recorder.clock.advance(days=-1)
        sent = recorder.triggers_received()

        wait_until(lambda: recorder.triggers_received() >= sent + 3, "three more triggers")

    twice = rows(engine, "SELECT 1 FROM fires GROUP BY schedule_pk, scheduled_for HAVING COUNT(*) > 1")
    assert twice == []
    assert [round(line["seconds"]) for line in said if line["event"] == "the wall clock stepped"] == [-86_400]


def test_a_clock_that_is_set_forward_runs_the_newest_instant_and_names_the_step(engine: Engine, tmp_path: Path) -> None:
    with harness(engine, tmp_path, schedule(every="1h", more='misfire = "skip"')) as recorder, at_work(recorder):
        wait_until(lambda: rows(engine, "SELECT 1 FROM daemons WHERE stopped_at IS NULL") != [], "the daemon")
        recorder.clock.advance(hours=3, minutes=30)

        wait_until(lambda: len(recorder.fires()) == 3, "the instants in between")

    assert recorder.fires() == ["missed: clock_jump"] * 3


def test_a_clock_that_is_set_while_the_daemon_starts_is_seen(engine: Engine, tmp_path: Path) -> None:
    """As at most starts of a machine: the time comes over the network, a little after everything else."""
    with harness(engine, tmp_path, OFTEN) as recorder:
        parts = replace(recorder.parts, wall=recorder.clock.now)
        recorder.clock.walk(1.0)
        daemon = Daemon(parts, stop_within_s=60.0)
        enrolled = threading.Event()
        event.listen(engine, "commit", lambda _: enrolled.set())
        thread = threading.Thread(target=daemon.run)
        thread.start()
        enrolled.wait()
        recorder.clock.advance(days=-1)
        try:
            wait_until(lambda: recorder.triggers_received() >= 3, "triggers")
        finally:
            parts.stop.set()
            thread.join()

    assert rows(engine, "SELECT 1 FROM fires GROUP BY schedule_pk, scheduled_for HAVING COUNT(*) > 1") == []
