"""Every write of schedules: what the configuration says of them, and up to where each has become fires.

Takes a `Session`, never commits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from recorder.ledger import Reason, skip_due
from recorder.models import Schedule

_ENROLMENT: Final = 20260902
"""The number of the lock; a lock of a transaction, not of a session, also holds behind PgBouncer."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What the configuration says of a schedule: its canonical JSON, and whether it is paused."""

    text: str
    paused: bool = False


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule as the ledger knows it."""

    pk: int
    name: str
    cursor: datetime
    paused: bool
    definition: str
    is_removed: bool
    created_at: datetime

    def known_since(self, now: datetime) -> datetime:
        """Since when instants have to be looked at: not before the schedule was, unless a clock is wrong by that."""
        return self.cursor if now < self.created_at else max(self.cursor, self.created_at)

    def is_told(self, definition: str) -> bool:
        """Whether this is what the ledger was told of it last."""
        return self.definition == definition and not self.is_removed


@dataclass(frozen=True, slots=True)
class KnownSchedule:
    """A schedule as it was written down: its row, its canonical JSON, and whether it has left the configuration."""

    row: ScheduleRow
    definition: str
    is_removed: bool


def wait_for_turn(db: Session) -> None:
    """Hold what lets one daemon at a time enrol, until the transaction ends; on SQLite every transaction holds it."""
    if db.get_bind().dialect.name != "sqlite":
        db.execute(select(func.pg_advisory_xact_lock(_ENROLMENT)))


def enrol_schedules(db: Session, definitions: Mapping[str, Definition], *, now: datetime) -> dict[str, ScheduleRow]:
    """Make the table say what the configuration says; the rows of `definitions` by name.

    A new schedule starts now: instants before it was known are nobody's. One that left the configuration is marked, and
    what was still due for it is skipped; one that comes back starts now again.
    """
    rows = {row.name: row for row in db.scalars(select(Schedule).with_for_update())}
    for name, definition in definitions.items():
        rows[name] = _told(db, rows.get(name), name, definition, now)
    db.flush()
    for name, row in rows.items():
        if name not in definitions and row.removed_at is None:
            row.removed_at = now
            skip_due(db, row.pk, Reason.CONFIG_REMOVED, now=now)
    return {name: _schedule_row(rows[name]) for name in definitions}


def known_schedules(db: Session) -> dict[str, KnownSchedule]:
    """Every schedule that ever was, by name; their rows are held until the transaction ends."""
    rows = db.scalars(select(Schedule).order_by(Schedule.pk).with_for_update())
    return {row.name: KnownSchedule(_schedule_row(row), row.definition, row.removed_at is not None) for row in rows}


def move_cursor(db: Session, schedule_pk: int, cursor: datetime) -> None:
    """Say up to where a schedule has become fires."""
    db.execute(update(Schedule).where(Schedule.pk == schedule_pk).values(cursor=cursor))


def enrol_schedule(db: Session, name: str, definition: Definition, *, now: datetime) -> ScheduleRow:
    """Insert or update one schedule; one that is new, or comes back, starts now."""
    row = db.scalars(select(Schedule).where(Schedule.name == name).with_for_update()).one_or_none()
    row = _told(db, row, name, definition, now)
    db.flush()
    return _schedule_row(row)


def _told(db: Session, row: Schedule | None, name: str, definition: Definition, now: datetime) -> Schedule:
    """The row as the definition wants it, added if it is new; the caller flushes."""
    if row is None:
        row = Schedule(name=name, definition=definition.text, cursor=now, paused=definition.paused, created_at=now)
        db.add(row)
        return row
    row.definition, row.paused = definition.text, definition.paused
    if row.removed_at is not None:
        row.removed_at, row.cursor = None, max(row.cursor, now)
    return row


def find_or_add_schedule(db: Session, name: str, definition: Definition, *, now: datetime) -> ScheduleRow:
    """The schedule's row; it is added if it is not there, and otherwise left as it is."""
    row = db.scalars(select(Schedule).where(Schedule.name == name)).one_or_none()
    return enrol_schedule(db, name, definition, now=now) if row is None else _schedule_row(row)


def lock_schedule(db: Session, schedule_pk: int) -> ScheduleRow:
    """The schedule's row, held until the transaction ends, so that two daemons do not materialise it at once."""
    return _schedule_row(db.scalars(select(Schedule).where(Schedule.pk == schedule_pk).with_for_update()).one())


def told_otherwise(db: Session, definitions: Mapping[int, str]) -> set[int]:
    """Which of these schedules, by key, are defined otherwise by now, or removed."""
    rows = db.scalars(select(Schedule).where(Schedule.pk.in_(definitions)))
    return {row.pk for row in rows if not _schedule_row(row).is_told(definitions[row.pk])}


def _schedule_row(row: Schedule) -> ScheduleRow:
    return ScheduleRow(
        row.pk, row.name, row.cursor, row.paused, row.definition, row.removed_at is not None, row.created_at
    )
