"""Every write of deliveries: up to which due instant the reports of each are written, and who writes the next one.

Takes a `Session`, never commits. A delivery belongs to whoever claimed it until the claim is old, or the daemon dead.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from recorder.dimensions import insert_missing
from recorder.models import Delivery, RunningDaemon
from recorder.roster import SILENT_FOR

CLAIM_LASTS: Final = timedelta(minutes=15)
"""After this a report that was begun and not written is tried again: its daemon died, or the folder was full."""


def enrol_delivery(db: Session, name: str, *, now: datetime) -> datetime:
    """The delivery's cursor; one that is new starts now: what was due before it was known is nobody's."""
    insert_missing(db, Delivery, [{"name": name, "cursor": now}])
    return db.scalars(select(Delivery.cursor).where(Delivery.name == name)).one()


def claim_delivery(db: Session, name: str, *, cursor: datetime, owner: UUID, now: datetime) -> bool:
    """Take the delivery for this owner, if it still stands at the cursor and nobody is at it."""
    is_over = or_(RunningDaemon.stopped_at.is_not(None), RunningDaemon.seen_at <= now - SILENT_FOR)
    left = Delivery.claimed_by.in_(select(RunningDaemon.owner).where(is_over))
    free = or_(Delivery.claimed_at.is_(None), Delivery.claimed_at < now - CLAIM_LASTS, left)
    claim = update(Delivery).where(Delivery.name == name, Delivery.cursor == cursor, free)
    claimed = db.execute(claim.values(claimed_by=owner, claimed_at=now).returning(Delivery.pk))
    return claimed.first() is not None


def advance_delivery(db: Session, name: str, *, owner: UUID, to: datetime, now: datetime) -> bool:
    """Note that the report due at `to` is written and keep the claim; False when somebody else has taken over."""
    mine = (Delivery.name == name, Delivery.claimed_by == owner)
    moved = db.execute(update(Delivery).where(*mine).values(cursor=to, claimed_at=now).returning(Delivery.pk))
    return moved.first() is not None


def release_delivery(db: Session, name: str, *, owner: UUID) -> None:
    """Let go of the delivery: nothing of it is due any more."""
    mine = (Delivery.name == name, Delivery.claimed_by == owner)
    db.execute(update(Delivery).where(*mine).values(claimed_by=None, claimed_at=None))
