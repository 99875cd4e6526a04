"""Decides which due fire may leave: lateness and overlap are judged again, then its intent is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from recorder import ledger
from recorder.ledger import ClaimedFire, DueFire, Reason
from recorder.materialising import PlannedSchedule
from recorder.schedule import jitter_for
from recorder.schedule_store import lock_schedule, told_otherwise

JUDGE_BATCH: Final = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A fire that may leave now, its schedule, and until when another try may leave if this one is not acted on."""

    fire: ClaimedFire
    plan: PlannedSchedule
    retry_until: datetime


def claim_next(
    db: Session, plans: Mapping[int, PlannedSchedule], *, owner: UUID, now: datetime
) -> tuple[bool, Claim | None]:
    """Judge the oldest due fires again and write the intent of the first that may leave.

    Returns whether any was found, and the claimed one. One at a time: an intent that waits behind another is late.
    """
    due = _still_ours(db, ledger.lock_due_fires(db, plans.keys(), now=now, limit=JUDGE_BATCH), plans)
    for fire in due:
        plan = plans[fire.schedule_pk]
        verdict = _judge(db, fire, plan, now)
        if verdict is not None:
            ledger.close_due(db, fire, state=verdict[0], reason=verdict[1], now=now)
        elif intent := ledger.write_intent(db, fire, owner=owner, body=plan.target.request_body(), now=now):
            return True, Claim(intent, plan, _retry_until(fire, plan, now))
    return bool(due), None


def _still_ours(db: Session, due: list[DueFire], plans: Mapping[int, PlannedSchedule]) -> list[DueFire]:
    """Without the fires of schedules that another daemon was told otherwise while this one slept."""
    others = told_otherwise(db, {fire.schedule_pk: plans[fire.schedule_pk].definition for fire in due})
    for name in sorted({plans[pk].name for pk in others}):
        log.warning("another daemon was told otherwise: restart this one, or give it the same schedules", schedule=name)
    return [fire for fire in due if fire.schedule_pk not in others]


def skip_due_fires(db: Session, plans: Mapping[int, PlannedSchedule], reason: Reason, *, now: datetime) -> bool:
    """End the oldest due fires unsent; whether any was found."""
    due = ledger.lock_due_fires(db, plans.keys(), now=now, limit=JUDGE_BATCH)
    for fire in due:
        ledger.close_due(db, fire, state="skipped", reason=reason, now=now)
    return bool(due)


def _judge(db: Session, fire: DueFire, plan: PlannedSchedule, now: datetime) -> tuple[str, Reason] | None:
    """Why this fire must not be sent after all; None when it may."""
    if plan.misfire == "run_once" and ledger.has_newer_due(db, fire, now=now):
        return "skipped", Reason.COALESCED
    if fire.attempt > 0 and now > _retry_until(fire, plan, now):
        return "missed", fire.last_trouble or Reason.LATE_AFTER_GRACE
    if fire.attempt == 0 and plan.misfire == "skip" and now > _grace_ends(fire, plan):
        return "missed", Reason.LATE_AFTER_GRACE
    if plan.overlap == "skip":
        lock_schedule(db, fire.schedule_pk)  # another daemon may be claiming another fire of it in this very moment
        if ledger.is_overlapped(db, fire):
            return "skipped", Reason.OVERLAP
    return None


def _retry_until(fire: DueFire, plan: PlannedSchedule, now: datetime) -> datetime:
    """Until when a try that was not acted on may be repeated: as long as the fire is in time.

    A fire that ran late from the beginning, as the newest one after an absence does, has its grace from the first try.
    """
    begun, in_time_until = fire.first_intent_at or now, _grace_ends(fire, plan)
    return in_time_until if begun <= in_time_until else begun + plan.misfire_grace


def _grace_ends(fire: DueFire, plan: PlannedSchedule) -> datetime:
    """Until when a fire is in time; its jitter is no lateness, the pauses between its tries are."""
    return fire.scheduled_for + jitter_for(plan.name, fire.scheduled_for, plan.jitter) + plan.misfire_grace
