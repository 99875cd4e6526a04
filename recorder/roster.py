"""Who is at work on this database: each daemon signs in, is seen every few seconds, and signs out. Never commits."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from recorder.circuit import Refusal
from recorder.models import RunningDaemon

BEAT_S: Final = 10.0
"""Seconds between two signs of life."""
SILENT_FOR: Final = timedelta(seconds=60)
"""A daemon not seen for longer is taken for dead; whatever it still does is stopped by the owner's compare-and-set."""


@dataclass(frozen=True, slots=True)
class Colleague:
    """Another daemon that was seen lately."""

    owner: UUID
    host: str
    pid: int

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"


def sign_in(db: Session, *, owner: UUID, host: str, pid: int, now: datetime) -> None:
    """Write down a daemon that has just started."""
    db.add(RunningDaemon(owner=owner, host=host, pid=pid, started_at=now, seen_at=now))


def beat(db: Session, *, owner: UUID, now: datetime, refusal: Refusal | None = None) -> None:
    """Be seen, and say what Checkly refuses."""
    since, why = (None, None) if refusal is None else (refusal.since, refusal.why)
    mine = RunningDaemon.owner == owner
    db.execute(update(RunningDaemon).where(mine).values(seen_at=now, refused_since=since, refused_why=why))


def sign_out(db: Session, *, owner: UUID, now: datetime) -> None:
    """Say that this daemon has stopped, so that nobody waits for it."""
    db.execute(update(RunningDaemon).where(RunningDaemon.owner == owner).values(stopped_at=now))


def bury_all(db: Session, *, now: datetime) -> None:
    """Say that every daemon so far has stopped; for a process that knows it is alone, before it signs in."""
    db.execute(update(RunningDaemon).where(RunningDaemon.stopped_at.is_(None)).values(stopped_at=now))


def colleagues(db: Session, *, owner: UUID, now: datetime) -> list[Colleague]:
    """The other daemons that are alive."""
    alive = RunningDaemon.stopped_at.is_(None) & (RunningDaemon.seen_at > now - SILENT_FOR)
    rows = db.scalars(select(RunningDaemon).where(alive, RunningDaemon.owner != owner).order_by(RunningDaemon.pk))
    return [Colleague(row.owner, row.host, row.pid) for row in rows]
