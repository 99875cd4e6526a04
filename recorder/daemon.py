"""Owns start and stop of the long-running recorder: APScheduler wakes, senders trigger, the tracker follows."""

import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, timedelta
from types import FrameType
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from recorder.db import transact
from recorder.errors import DatabaseError
from recorder.lock import lock_path, only_daemon
from recorder.open_sessions import resume
from recorder.schedule import Cadence, DueTrigger
from recorder.wiring import Parts

SENDERS: Final = 4
"""Triggers that may be under way at once; each takes up to 30 s when Checkly is slow."""
SWEEP_S: Final = 5.0
"""How often senders look for due fires unasked: jitter that has passed, a second try, a wake-up lost to a suspend."""
SPOOL_REST: Final = timedelta(minutes=1)
SENDER_STOP_S: Final = 25.0

log = structlog.get_logger(__name__)


class Daemon:
    """One recorder process. `run` returns when it was told to stop."""

    def __init__(
        self, parts: Parts, *, weekly: Cadence | None = None, write_report: Callable[[], None] | None = None
    ) -> None:
        """`write_report` is called on the cadence `weekly` in a thread of its own."""
        self._parts = parts
        self._triggering = parts.triggering()
        self._tracker = parts.tracker()
        self._weekly = weekly
        self._write_report = write_report
        self._wake = threading.Event()
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )

    def run(self) -> None:
        """Trigger and follow until the stop flag is set.

        Raises LockedError when another daemon holds the SQLite database, DatabaseError when it cannot be used.
        """
        with only_daemon(self._parts.engine):
            self._recover()
            self._tracker.start()
            senders = [threading.Thread(target=self._send, name=f"sender-{n}", daemon=True) for n in range(SENDERS)]
            for sender in senders:
                sender.start()
            self._start_scheduler()
            try:
                self._parts.stop.wait()
            finally:
                self._shut_down(senders)

    def _recover(self) -> None:
        """Take up where the last process ended: spooled answers, then intents without one, then open sessions."""
        parts = self._parts
        self._triggering.replay_spool()
        self._triggering.enrol(parts.plans(), parts.definitions())
        alone = lock_path(parts.engine) is not None
        orphans = self._triggering.give_up_orphans(lock_proves=alone)
        following = transact(parts.engine, lambda db: resume(db, now=parts.now())) if alone else None
        log.info(
            "recorder started",
            schedules=len(parts.settings.schedules),
            open_sessions=following,
            ambiguous_after_crash=orphans,
            checkly=parts.access.base_url,
        )

    def _start_scheduler(self) -> None:
        for schedule in self._parts.settings.schedules:
            self._scheduler.add_job(self._wake.set, DueTrigger(schedule.cadence), name=schedule.name)
        if self._weekly is not None and self._write_report is not None:
            self._scheduler.add_job(self._write_report, DueTrigger(self._weekly), name="weekly report")
        self._scheduler.start()

    def _send(self) -> None:
        """One sender: wait to be woken, then send until nothing is due. An outage leaves everything due."""
        stop = self._parts.stop
        while not stop.is_set():
            self._wake.wait(SWEEP_S)
            self._wake.clear()
            if stop.is_set():
                return
            try:
                self._triggering.work()
                self._triggering.replay_spool(older_than=SPOOL_REST)
            except DatabaseError as error:
                log.error("the ledger cannot be used, trying again", error=str(error))  # noqa: TRY400 - still due
            except Exception:  # a sender outlives what it cannot explain; the ledger says what was done
                log.exception("sending failed")

    def _shut_down(self, senders: list[threading.Thread]) -> None:
        self._parts.stop.set()
        self._wake.set()
        self._scheduler.shutdown(wait=False)
        for sender in senders:
            sender.join(SENDER_STOP_S / len(senders))
        self._tracker.stop()
        log.info("recorder stopped")


def stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT set the flag; a second one leaves at once."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
