"""Reads and writes about sessions that were put together from results. Takes a `Session`, never commits."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from recorder.models import CheckResult, CheckSession, Payload
from recorder.outcomes import STAND_INS

_AT_ONCE: Final = 500


def load_owners(db: Session, result_ids: Collection[UUID]) -> dict[UUID, str]:
    """The status of the session that each of these results belongs to; those that nobody knows are not in it."""
    listed = list(result_ids)
    found: dict[UUID, str] = {}
    for start in range(0, len(listed), _AT_ONCE):
        known = (
            select(CheckResult.check_result_id, CheckSession.status)
            .join(CheckSession, CheckSession.pk == CheckResult.session_pk)
            .where(CheckResult.check_result_id.in_(listed[start : start + _AT_ONCE]))
        )
        found |= dict(db.execute(known).all())
    return found


def drop_stand_ins(db: Session, result_ids: Collection[UUID], *, statuses: Collection[str] = STAND_INS) -> int:
    """Take these results out of the stand-ins that hold them, to make room for their real session; how many.

    A stand-in that holds nothing any more goes, too.
    """
    owned = [result_id for result_id, status in load_owners(db, result_ids).items() if status in statuses]
    for start in range(0, len(owned), _AT_ONCE):
        mine = CheckResult.check_result_id.in_(owned[start : start + _AT_ONCE])
        touched = set(db.scalars(select(CheckResult.session_pk).where(mine)))
        db.execute(delete(CheckResult).where(mine))
        empty = touched - set(db.scalars(select(CheckResult.session_pk).where(CheckResult.session_pk.in_(touched))))
        db.execute(delete(Payload).where(Payload.session_pk.in_(empty)))
        db.execute(delete(CheckSession).where(CheckSession.pk.in_(empty)))
    return len(owned)
