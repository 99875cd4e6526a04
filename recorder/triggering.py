"""Use cases of the ledger: turn due instants into fires, claim them, send each at most once, write what came of it.

The order is the promise. 0. Room for the answer is taken on disk. 1. The intent is committed. 2. One request leaves.
3. The answer goes to the spool. 4. One transaction writes the fire's outcome with all its sessions. 5. The spool
forgets. Whatever dies in between, nothing is ever sent a second time: only what provably never left, or was refused
with 429, becomes due again.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from recorder import ledger, schedule_store
from recorder.budget import RequestBudget
from recorder.checkly import ChecklyClient
from recorder.circuit import Circuit
from recorder.claiming import Claim, claim_next, skip_due_fires
from recorder.clock import Clock, Monotonic
from recorder.db import transact
from recorder.enrolling import enrol_together, is_ahead
from recorder.errors import UsageError
from recorder.ledger import Reason
from recorder.materialising import Follow, PlannedSchedule, materialise
from recorder.roster import colleagues
from recorder.safekeeping import Safekeeping
from recorder.schedule import next_due
from recorder.schedule_store import Definition, ScheduleRow
from recorder.sending import Sending
from recorder.spool import Spool
from recorder.targets import Target
from recorder.trigger_outcomes import Sent

PATIENCE_S: Final = 5.0
"""How long a sender waits for the budget before it looks after everything else again."""
TOGETHER: Final = 50
"""Schedules whose instants are written in one transaction, at most."""

log = structlog.get_logger(__name__)


class Triggering:
    """Sends the fires of a set of schedules; safe to call from several threads."""

    def __init__(
        self,
        engine: Engine,
        *,
        owner: UUID,
        new_client: Callable[[], ChecklyClient],
        budget: RequestBudget,
        circuit: Circuit,
        spool: Spool,
        now: Clock,
        monotonic: Monotonic,
        stop: threading.Event,
    ) -> None:
        """Nothing is read or sent until `enrol` and `work` are called."""
        self._engine = engine
        self._owner = owner
        self._new_client = new_client
        self._budget = budget
        self._circuit = circuit
        self._safekeeping = Safekeeping(engine, spool=spool, now=now)
        self._sending = Sending(
            engine, budget=budget, circuit=circuit, safekeeping=self._safekeeping, now=now, monotonic=monotonic
        )
        self._now = now
        self._monotonic = monotonic
        self._stop = stop
        self._started_at = now()
        self._trouble: tuple[datetime, Reason] | None = None
        self._materialising = threading.Lock()
        self._plans: dict[int, PlannedSchedule] = {}
        self._definitions: Mapping[str, Definition] = {}
        self._next_due: dict[int, datetime] = {}

    def enrol(
        self,
        schedules: Mapping[str, PlannedSchedule],
        definitions: Mapping[str, Definition],
        *,
        together_with: Callable[[Session], None] = lambda _: None,
    ) -> None:
        """Take these schedules as the ones to trigger, and write them down; `together_with` in the same transaction.

        Raises ConfigError, and changes nothing, when another daemon at work on this database was told otherwise.
        """

        def work(db: Session) -> dict[str, ScheduleRow]:
            rows = enrol_together(db, definitions, owner=self._owner, now=self._now())
            together_with(db)
            return rows

        with self._materialising:  # nothing becomes due by the old plans once the new ones are written
            self._materialise_what_is_due()  # what is due by now is due by what was known
            before = transact(self._engine, schedule_store.known_schedules)
            rows = transact(self._engine, work)
            plans = {rows[name].pk: plan for name, plan in schedules.items()}
            cursors = {row.pk: row.cursor for row in rows.values()}
            # before the plans: senders may be at work
            self._next_due = {pk: next_due(plan.cadence, cursors[pk]) for pk, plan in plans.items()}
            self._plans, self._definitions = plans, definitions
        for name, known in before.items():
            if name not in rows and not known.is_removed:
                log.warning("schedule left the configuration, what was due for it is skipped", schedule=name)
            elif is_ahead(known.row, self._now()):
                why = "the ledger was ahead of the clock: a clock is or was wrong; what has run is not run again"
                log.warning(why, schedule=name, ledger=known.row.cursor.isoformat())

    def go_back_to_the_clock(self) -> None:
        """After the clock was set back: take the schedules' cursors back to it, else nothing is due until it is there.

        Raises DatabaseError, and ConfigError when another daemon was told otherwise.
        """
        self.enrol({plan.name: plan for plan in self._plans.values()}, self._definitions)
        self._started_at = min(self._started_at, self._now())
        self.note_trouble(Reason.CLOCK_JUMP)  # what went before has the old time

    def enrol_one(self, name: str, plan: PlannedSchedule, definition: Definition) -> None:
        """Take one schedule for a command beside a running daemon; what is written about it already stands."""
        row = transact(
            self._engine, lambda db: schedule_store.find_or_add_schedule(db, name, definition, now=self._now())
        )
        self._next_due[row.pk] = next_due(plan.cadence, row.cursor)
        self._plans[row.pk] = plan

    def work(self) -> bool:
        """Materialise what is due and send it, until nothing is left; whether anything was sent."""
        self.materialise()
        sent = False
        while not self._stop.is_set() and (step := self._send_next()).found:
            sent = sent or step.sent is not None
        return sent

    def materialise(self) -> None:
        """Turn every instant up to now into a fire; schedules whose next instant is still to come cost nothing."""
        with self._materialising:  # senders that wake together would all do the same
            self._materialise_what_is_due()

    def _materialise_what_is_due(self) -> None:
        now = self._now()
        plans, due = self._plans, self._next_due
        late = sorted(pk for pk in plans if pk in due and due[pk] <= now)
        while late:
            some = {pk: plans[pk] for pk in late[:TOGETHER]}
            cursors = transact(self._engine, partial(materialise, some, now, self._why_late))
            due.update((pk, next_due(plans[pk].cadence, cursor)) for pk, cursor in cursors.items())
            late = late[len(cursors) :]

    def note_trouble(self, reason: Reason) -> None:
        """Remember what has just kept this process from its work: instants missed meanwhile carry it as reason."""
        self._trouble = (self._now(), reason)

    def _why_late(self, instant: datetime) -> Reason:
        if instant < self._started_at:
            return Reason.DAEMON_DOWN
        return self._trouble[1] if self._trouble is not None and self._trouble[0] >= instant else Reason.STALLED

    def trigger_now(self, target: Target, *, follow: Follow, schedule: str | None, origin: str) -> Sent:
        """Send one trigger that is asked for here and now; it is never repeated, whatever happens to it.

        While Checkly refuses triggers it is not sent, and written down as skipped.
        """
        body = target.request_body()
        schedule_pk = next((pk for pk, plan in self._plans.items() if plan.name == schedule), None)
        number = self._circuit.admit()
        if number is None:
            why, now = Reason.CIRCUIT_OPEN, self._now()
            unsent = partial(ledger.write_unsent, origin=origin, reason=why, now=now, schedule_pk=schedule_pk)
            return Sent(transact(self._engine, unsent), "skipped", why)
        with self._new_client() as client, self._safekeeping.reserve() as room:
            if not self._budget.take_for_trigger(self._stop):
                raise UsageError("stopped before anything was sent")
            now, claimed_at = self._now(), self._monotonic()
            intent = partial(
                ledger.open_intent, owner=self._owner, origin=origin, body=body, now=now, schedule_pk=schedule_pk
            )
            fire = transact(self._engine, intent)
            return self._sending.send(
                client, fire, target, room, number=number, claimed_at=claimed_at, follow=follow, retry_until=None
            )

    def replay_spool(self, *, older_than: timedelta | None = None) -> int:
        """Write the answers that were received and could not be committed; how many there were.

        A running daemon leaves the newest alone (`older_than`): another thread may be writing them.
        """
        return self._safekeeping.replay(older_than=older_than)

    def take_up_spool(self) -> int:
        """At the start: write all that an earlier process received and did not commit; how many answers there were."""
        self._safekeeping.clear_remains()
        return self.replay_spool()

    def give_up_orphans(self, *, lock_proves: bool) -> int:
        """Make intents that nobody can answer for ambiguous, never due: they may have been acted on. How many.

        Those of dead owners are `owner_lost`; an old one of this process, whose outcome never reached the database and
        is not in the spool, is `commit_lost`.
        """
        now = self._now()

        def work(db: Session) -> int:
            others = () if lock_proves else tuple(one.owner for one in colleagues(db, owner=self._owner, now=now))
            orphans = ledger.orphaned_intents(db, owner=self._owner, living=others, now=now, lock_proves=lock_proves)
            for fire in orphans:
                reason = Reason.COMMIT_LOST if fire.owner == self._owner else Reason.OWNER_LOST
                ledger.settle_fire(db, fire, state="ambiguous", reason=reason, now=now)
            return len(orphans)

        return transact(self._engine, work)

    def _has_due(self) -> bool:
        return transact(self._engine, lambda db: ledger.has_due(db, self._plans.keys(), now=self._now()))

    def _send_next(self) -> "_Step":
        """Claim one fire and send it; client, room and budget come first: nothing may delay a written intent."""
        if not self._has_due():
            return _Step(found=False)
        number = self._circuit.admit()
        if number is None:
            why, now = Reason.CIRCUIT_OPEN, self._now()
            return _Step(found=transact(self._engine, lambda db: skip_due_fires(db, self._plans, why, now=now)))
        claimed: Claim | None = None
        try:
            with self._new_client() as client, self._safekeeping.reserve() as room:
                found, claimed, claimed_at = self._claim_next()
                if claimed is None:
                    return _Step(found=found)
                plan = claimed.plan
                sent = self._sending.send(
                    client,
                    claimed.fire,
                    plan.target,
                    room,
                    number=number,
                    claimed_at=claimed_at,
                    follow=plan.follow,
                    retry_until=claimed.retry_until,
                )
        finally:
            if claimed is None:
                self._circuit.give_back(number)
        log.info(
            "fire",
            schedule=plan.name,
            fire=sent.fire_pk,
            state=sent.state,
            reason=sent.reason,
            sessions=len(sent.sessions),
        )
        if absent := sent.absent_locations(plan.expect_locations):
            log.warning("sessions do not run where they are expected", schedule=plan.name, absent=absent)
        return _Step(found=True, sent=sent)

    def _claim_next(self) -> tuple[bool, Claim | None, float]:
        """Wait for the budget and write the intent of one due fire.

        Whether any was found, the claimed one, and when it was claimed (monotonic seconds).
        """
        claimed, claimed_at = None, 0.0

        def claim(db: Session) -> tuple[bool, Claim | None]:
            nonlocal claimed_at
            claimed_at = self._monotonic()  # the wait for the database is over, so it counts for nothing
            return claim_next(db, self._plans, owner=self._owner, now=self._now())

        if not self._budget.take_for_trigger(self._stop, at_most_s=PATIENCE_S):
            return False, None, claimed_at
        try:
            found, claimed = transact(self._engine, claim)
        finally:
            if claimed is None:
                self._budget.give_back()
        return found, claimed, claimed_at


@dataclass(frozen=True, slots=True)
class _Step:
    """One turn of the sending loop: whether a due fire was found, and what became of it if it was sent."""

    found: bool
    sent: Sent | None = None
