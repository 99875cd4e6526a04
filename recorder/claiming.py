"""Decides which due fire may leave: lateness and overlap are judged again, then its intent is written."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from recorder import ledger
from recorder.ledger import ClaimedFire, DueFire, Reason
from recorder.materialising import PlannedSchedule

JUDGE_BATCH: Final = 10


def claim_next(
    db: Session, plans: Mapping[int, PlannedSchedule], *, owner: UUID, now: datetime
) -> tuple[bool, tuple[ClaimedFire, PlannedSchedule] | None]:
    """Judge the oldest due fires again and write the intent of the first that may leave.

    Returns whether any was found, and the claimed one. One at a time: an intent that waits behind another is late.
    """
    due = ledger.lock_due_fires(db, list(plans), now=now, limit=JUDGE_BATCH)
    for fire in due:
        plan = plans[fire.schedule_pk]
        verdict = _judge(db, fire, plan, now)
        if verdict is not None:
            ledger.close_due(db, fire, state=verdict[0], reason=verdict[1], now=now)
        elif intent := ledger.write_intent(db, fire, owner=owner, body=plan.target.request_body(), now=now):
            return True, (intent, plan)
    return bool(due), None


def skip_due_fires(db: Session, plans: Mapping[int, PlannedSchedule], reason: Reason, *, now: datetime) -> bool:
    """End the oldest due fires unsent; whether any was found."""
    due = ledger.lock_due_fires(db, list(plans), now=now, limit=JUDGE_BATCH)
    for fire in due:
        ledger.close_due(db, fire, state="skipped", reason=reason, now=now)
    return bool(due)


def _judge(db: Session, fire: DueFire, plan: PlannedSchedule, now: datetime) -> tuple[str, Reason] | None:
    """Why this fire must not be sent after all; None when it may."""
    if plan.misfire == "run_once" and ledger.has_newer_due(db, fire, now=now):
        return "skipped", Reason.COALESCED
    is_late = now - max(fire.scheduled_for, fire.not_before) > plan.misfire_grace
    if is_late and (plan.misfire == "skip" or fire.attempt > 0):
        return "missed", fire.last_trouble or Reason.LATE_AFTER_GRACE
    if plan.overlap == "skip" and ledger.is_overlapped(db, fire):
        return "skipped", Reason.OVERLAP
    return None
