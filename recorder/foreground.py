"""Use cases of one command: trigger now, run every schedule once, record sessions by id, follow them to the end."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from recorder import safekeeping
from recorder.db import transact
from recorder.errors import ChecklyError
from recorder.lock import lock_path, only_daemon
from recorder.materialising import Follow
from recorder.open_sessions import Scope, awaited_count, resume
from recorder.pacing import SETTLING
from recorder.payloads import SessionSnapshot
from recorder.store import Recording, record_sessions
from recorder.targets import Target
from recorder.tracking import Fetched
from recorder.trigger_outcomes import Sent
from recorder.wiring import Parts, planned

LOOK_EVERY_S: Final = 0.3

Seen = Callable[[Fetched], None]


@dataclass(frozen=True, slots=True)
class Followed:
    """How a wait ended: how many sessions were still running when it did."""

    still_open: int


def run_once(parts: Parts, *, on_sent: Callable[[str, Sent], None], on_seen: Seen) -> Followed:
    """Trigger every schedule once but the paused ones, then follow all open sessions, those of an earlier run included.

    Holds the lock of a SQLite database: raises LockedError while a daemon runs on it.
    """
    with only_daemon(parts.engine):
        triggering = parts.triggering()
        triggering.take_up_spool()
        triggering.enrol(parts.plans(), parts.definitions())
        alone = lock_path(parts.engine) is not None
        triggering.give_up_orphans(lock_proves=alone)
        if alone:
            transact(parts.engine, lambda db: resume(db, now=parts.now()))
        for schedule in parts.settings.schedules:
            if parts.stop.is_set():
                break
            if schedule.paused:
                continue
            plan = planned(schedule)
            sent = triggering.trigger_now(plan.target, follow=plan.follow, schedule=schedule.name, origin="schedule")
            on_sent(schedule.name, sent)
        return follow(parts, scope=None, on_seen=on_seen)


def take_up_remains(parts: Parts) -> None:
    """What commands that were killed, or had no database, have left: answers become sessions, lost intents ambiguous.

    A daemon does it by itself; without one the next command does. Raises DatabaseError.
    """
    triggering = parts.triggering()
    triggering.replay_spool(older_than=safekeeping.REST)
    triggering.give_up_orphans(lock_proves=False)


def trigger(parts: Parts, target: Target, *, schedule: str | None, follow_for: Follow) -> Sent:
    """Send one trigger now and write what came of it; its sessions stay open for `follow` or for a daemon."""
    take_up_remains(parts)
    triggering = parts.triggering()
    if schedule is not None:
        triggering.enrol_one(schedule, parts.plans()[schedule], parts.definitions()[schedule])
    return triggering.trigger_now(target, follow=follow_for, schedule=schedule, origin="manual")


def record(
    parts: Parts, session_ids: Sequence[UUID], *, timeout: timedelta
) -> tuple[list[SessionSnapshot], dict[UUID, ChecklyError]]:
    """Fetch sessions that were started elsewhere and write them; those still running stay open.

    Returns what was recorded, and the error of each that could not be had. Once Checkly refuses (key, plan, rights)
    nothing more is asked; what is then in neither was not asked for.
    """
    recorded: list[SessionSnapshot] = []
    failed: dict[UUID, ChecklyError] = {}
    with parts.new_client() as client:
        for session_id in session_ids:
            number = parts.read_circuit.admit()
            if number is None or not parts.budget.take_for_read(parts.stop):
                break
            try:
                snapshot = client.fetch_session(session_id)
            except ChecklyError as error:
                parts.budget.heed(error)
                parts.read_circuit.heed(number, error)
                failed[session_id] = error
                continue
            parts.read_circuit.heed(number, None)
            _record_one(parts, snapshot, timeout)
            recorded.append(snapshot)
    return recorded, failed


def follow(
    parts: Parts, *, scope: Scope, on_seen: Seen = lambda _: None, give_up: threading.Event | None = None
) -> Followed:
    """Follow sessions until none is awaited any more, the stop flag is set or `give_up` is."""
    tracker = parts.tracker(scope=scope, on_seen=on_seen)
    tracker.start()
    try:
        while True:
            waiting = transact(parts.engine, lambda db: awaited_count(db, scope=scope))
            over = waiting == 0 or parts.stop.is_set() or (give_up is not None and give_up.is_set())
            if over or parts.stop.wait(LOOK_EVERY_S):
                return Followed(waiting)
    finally:
        tracker.stop()


def _record_one(parts: Parts, snapshot: SessionSnapshot, timeout: timedelta) -> None:
    now = parts.now()
    settled = snapshot.stopped_at is not None and now - snapshot.stopped_at >= SETTLING
    closes = snapshot.is_final and (settled or not snapshot.missing_locations)
    recording = Recording(
        snapshot,
        "manual",
        closes=closes,
        next_poll_at=None if closes else now,
        deadline_at=now + timeout,
    )
    transact(parts.engine, lambda db: record_sessions(db, [recording], now=now))
