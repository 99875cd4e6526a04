"""Owns start and stop of the long-running recorder: APScheduler wakes, senders trigger, the tracker follows."""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from functools import partial
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.orm import Session

from recorder import roster, safekeeping
from recorder.clocks import ClockWatch, DatabaseClock
from recorder.config import Settings
from recorder.db import sqlite_flaw, transact
from recorder.delivering import planned_deliveries
from recorder.errors import ConfigError, DatabaseError, Problem, RecorderError
from recorder.ledger import Reason
from recorder.lock import lock_path, only_daemon
from recorder.open_sessions import resume
from recorder.outage import Sayings
from recorder.schedule import DueTrigger
from recorder.setback import take_back
from recorder.wiring import Parts

SENDERS: Final = 4
"""Triggers that may be under way at once; each takes up to 30 s when Checkly is slow."""
SWEEP_S: Final = 5.0
"""How often senders look for due fires unasked: jitter that has passed, a second try, a wake-up lost to a suspend."""
LOOK_FOR_REPORTS_S: Final = 300
"""How often reports are looked for that are due and not written: missed in an absence, or failed."""
REPORTS: Final = "reports"
"""The executor that delivers reports, one at a time."""
WATCH_S: Final = 1.0
"""How often the clocks are compared and signals are acted on."""
STOP_WITHIN_S: Final = 28.0
"""A stop that takes longer ends the process: everything it could still do is due for the next one."""

log = structlog.get_logger(__name__)


class Daemon:
    """One recorder process. `run` returns when it was told to stop."""

    def __init__(
        self,
        parts: Parts,
        *,
        deliver_reports: Callable[[Settings], None] = lambda _: None,
        reload: Callable[[], Settings] | None = None,
        stop_within_s: float = STOP_WITHIN_S,
    ) -> None:
        """`deliver_reports` writes the reports that are due, if any are; `reload` reads the configuration anew.

        A stop that takes longer than `stop_within_s` seconds ends the whole process, with exit code 0.
        """
        self._stop_within_s = stop_within_s
        self._parts = parts
        self._triggering = parts.triggering()
        self._tracker = parts.tracker()
        self._deliver_reports = deliver_reports
        self._reload = reload
        self._sayings = Sayings(parts.monotonic)
        self._wake = threading.Event()
        self._comparing = threading.Lock()
        self._wall, self._ledger_s_clock = (ClockWatch(clock, parts.monotonic) for clock in (parts.wall, parts.now))
        self._went_back_s = 0.0
        self._alarms_are_off = False
        self._wants_reload = threading.Event()
        self._alone = lock_path(parts.engine) is not None
        self._jobs = ThreadPoolExecutor(2)
        self._reports = ThreadPoolExecutor(1)
        self._scheduler = BackgroundScheduler(
            executors={"default": self._jobs, REPORTS: self._reports},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone=UTC,
        )

    def run(self) -> None:
        """Trigger and follow until the stop flag is set.

        Raises LockedError when another daemon holds the SQLite database, DatabaseError when it cannot be used,
        ConfigError when daemons at work on the same PostgreSQL were told otherwise.
        """
        over = threading.Event()
        threading.Thread(target=self._leave_in_time, args=(over,), name="last resort", daemon=True).start()
        try:
            self._run()
        except DatabaseError as error:
            if not self._parts.stop.is_set():
                raise
            log.warning("told to stop while the ledger could not be used", error=str(error))
        finally:
            over.set()

    def _run(self) -> None:
        self._compare_clocks()
        with only_daemon(self._parts.engine):
            self._recover()
            self._compare_clocks()  # most clocks are set while a machine starts
            self._tracker.start()
            senders = [threading.Thread(target=self._send, name=f"sender-{n}", daemon=True) for n in range(SENDERS)]
            beater = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
            for thread in (*senders, beater):
                thread.start()
            self._plan_wakes()
            self._scheduler.start()
            try:
                self._watch()
            finally:
                self._shut_down(senders)

    def ask_to_reload(self) -> None:
        """Read the configuration again soon; safe to call from a signal handler."""
        self._wants_reload.set()

    def _recover(self) -> None:
        """Take up where the last process ended: spooled answers, then intents without one, then open sessions."""
        parts = self._parts
        self._triggering.take_up_spool()
        transact(parts.engine, lambda db: take_back(db, now=parts.now()))
        if self._alone:  # the lock proves that whoever was here before is dead, however lately it was seen
            transact(parts.engine, lambda db: roster.bury_all(db, now=parts.now()))
        self._triggering.enrol(parts.plans(), parts.definitions(), together_with=self._sign_in)
        orphans = self._triggering.give_up_orphans(lock_proves=self._alone)
        following = transact(parts.engine, lambda db: resume(db, now=parts.now())) if self._alone else None
        if self._alone and (flaw := sqlite_flaw()):
            log.warning(flaw)
        log.info(
            "recorder started",
            schedules=len(parts.settings.schedules),
            open_sessions=following,
            ambiguous_after_crash=orphans,
            checkly=parts.access.base_url,
        )

    def _plan_wakes(self) -> None:
        """One job for each schedule and each delivery of reports; all they do is wake somebody."""
        self._scheduler.remove_all_jobs()
        settings = self._parts.settings
        for schedule in settings.schedules:
            self._scheduler.add_job(self._wake.set, DueTrigger(schedule.cadence), name=schedule.name)
        deliveries = planned_deliveries(settings)
        for plan in deliveries:
            self._wake_for_reports(DueTrigger(plan.cadence), name=plan.name)
        if deliveries:  # those that were due in an absence are written at once
            again = IntervalTrigger(seconds=LOOK_FOR_REPORTS_S)
            self._wake_for_reports(again, name="look for reports", next_run_time=self._parts.wall())

    def _wake_for_reports(self, trigger: BaseTrigger, **how: object) -> None:
        self._scheduler.add_job(self._deliver_reports, trigger, args=[self._parts.settings], executor=REPORTS, **how)

    def _watch(self) -> None:
        """Until told to stop: compare the clocks, and take a new configuration when asked to."""
        while not self._parts.stop.wait(WATCH_S):
            self._compare_clocks()
            if self._alarms_are_off:
                self._alarms_are_off = False
                self._plan_wakes()
            if self._went_back_s and self._go_back_to_the_clock(self._went_back_s):
                self._went_back_s = 0.0
            if self._wants_reload.is_set():
                self._wants_reload.clear()
                self._take_new_configuration()

    def _compare_clocks(self) -> None:
        """Say when one was set: what is late is judged anew, and nobody waits for the old time."""
        with self._comparing:
            if step_s := self._wall.step_s():
                log.warning("the wall clock stepped", seconds=round(step_s, 1))
                self._alarms_are_off = True
                self._wake.set()
            if step_s := self._ledger_s_clock.step_s():
                if not self._alone:  # else it is the wall clock, of which that was said
                    log.warning("the database's clock stepped", seconds=round(step_s, 1))
                self._triggering.note_trouble(Reason.CLOCK_JUMP)
                self._went_back_s = max(self._went_back_s - step_s, 0.0)
                self._wake.set()

    def _go_back_to_the_clock(self, back_s: float) -> bool:
        """Let nothing wait for a time that is `back_s` seconds further off than it was; whether that could be done."""
        try:
            transact(self._parts.engine, partial(self._let_nothing_wait, back_s))
            self._triggering.go_back_to_the_clock()
        except DatabaseError as error:
            log.error("schedules and sessions wait for the old time", error=str(error))  # noqa: TRY400 - tried again
            return False
        except ConfigError as error:
            log.error("nothing is triggered before the old time", error=str(error))  # noqa: TRY400 - nor before a restart
        self._wake.set()
        return True

    def _let_nothing_wait(self, back_s: float, db: Session) -> None:
        now = self._parts.now()
        take_back(db, now=now)
        resume(db, now=now, stepped_back_s=back_s)

    def _take_new_configuration(self) -> None:
        """Swap in a new set of schedules if it is sound; otherwise keep the old one and say why."""
        if self._reload is None:
            return
        before = self._parts
        try:
            settings = self._reload()
            if before.settings.source is not None and settings.source is None:
                raise ConfigError([Problem(before.settings.source.name, "is not there any more")])
            self._parts = replace(before, settings=settings)
            self._triggering.enrol(self._parts.plans(), self._parts.definitions())
        except RecorderError as error:
            self._parts = before
            for line in str(error).splitlines():
                log.error("the new configuration is refused, the old one holds", error=line)  # noqa: TRY400
            return
        for section in ("checkly", "database"):
            if getattr(settings, section) != getattr(before.settings, section):
                log.warning("a section has changed that only a restart takes up", section=section)
        self._plan_wakes()
        self._wake.set()
        log.info("new configuration", schedules=len(settings.schedules))

    def _beat(self) -> None:
        """Be seen by the other daemons, and keep the database's clock."""
        while not self._parts.stop.wait(roster.BEAT_S):
            try:
                if isinstance(self._parts.now, DatabaseClock):
                    self._parts.now.sync()
                transact(self._parts.engine, self._be_seen)
            except DatabaseError as error:
                self._triggering.note_trouble(Reason.DB_UNAVAILABLE)
                if self._sayings.is_news(str(error)):
                    log.warning("no sign of life could be written", error=str(error))

    def _sign_in(self, db: Session) -> None:
        host, pid = socket.gethostname(), os.getpid()
        roster.sign_in(db, owner=self._parts.owner, host=host, pid=pid, now=self._parts.now())

    def _be_seen(self, db: Session) -> None:
        roster.beat(db, owner=self._parts.owner, now=self._parts.now(), refusal=self._parts.refusal)

    def _send(self) -> None:
        """One sender: wait to be woken, then send until nothing is due. An outage leaves everything due."""
        stop = self._parts.stop
        while not stop.is_set():
            self._wake.wait(SWEEP_S)
            self._wake.clear()
            if stop.is_set():
                return
            self._compare_clocks()  # before lateness is judged
            for duty in (
                self._triggering.work,
                partial(self._triggering.replay_spool, older_than=safekeeping.REST),
                partial(self._triggering.give_up_orphans, lock_proves=False),
            ):
                self._attempt(duty)

    def _attempt(self, duty: Callable[[], object]) -> None:
        """One of a sender's duties; what keeps it from one keeps it from no other."""
        try:
            duty()
        except DatabaseError as error:
            self._triggering.note_trouble(Reason.DB_UNAVAILABLE)
            if self._sayings.is_news(str(error)):
                log.error("the ledger cannot be used, trying again", error=str(error))  # noqa: TRY400 - still due
        except Exception:  # a sender outlives what it cannot explain; the ledger says what was done
            log.exception("sending failed")

    def _shut_down(self, senders: list[threading.Thread]) -> None:
        log.info("stopping: no new triggers, what is under way ends first")
        self._parts.stop.set()
        self._wake.set()
        self._scheduler.shutdown(wait=False)
        for sender in senders:
            sender.join()
        self._tracker.stop()
        transact(self._parts.engine, lambda db: roster.sign_out(db, owner=self._parts.owner, now=self._parts.now()))
        for pool in (self._jobs, self._reports):
            pool.shutdown(wait=True)  # a report being written; the interpreter would wait for it without end
        log.info("recorder stopped")

    def _leave_in_time(self, over: threading.Event) -> None:
        """Once told to stop, end the process if it has not ended by itself: at the start, too, a database may hang."""
        self._parts.stop.wait()
        if not over.wait(self._stop_within_s):
            _leave_at_once()


def _leave_at_once() -> None:
    log.warning("something is still under way, leaving it: what was due is due for the next process")
    os._exit(0)
