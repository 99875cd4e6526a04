"""Reads and writes about fires whose outcome nobody knows. Takes a `Session`, never commits."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from recorder.ledger import Reason
from recorder.models import Check, CheckResult, CheckSession, Fire, LocationSet, RunLocation, Schedule
from recorder.outcomes import RECONCILED, STAND_INS


@dataclass(frozen=True, slots=True)
class KnownCheck:
    """A check that a target stands for: its id, its type, and the locations where it ran last."""

    check_id: UUID
    check_type: str
    locations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AmbiguousFire:
    """A fire whose answer was lost, and the checks that its target is known to stand for."""

    pk: int
    schedule: str | None
    intent_at: datetime
    checks: tuple[KnownCheck, ...]


@dataclass(frozen=True, slots=True)
class Rival:
    """Another fire whose results may be unknown here: its answer was lost too, or its sessions are still followed.

    `checks` is empty when nobody knows what its target stands for.
    """

    pk: int
    intent_at: datetime
    checks: frozenset[UUID]
    is_answered: bool

    def may_run(self, check_id: UUID) -> bool:
        """Whether a run of this check may be its doing."""
        return not self.checks or check_id in self.checks


@dataclass(frozen=True, slots=True)
class FollowedSession:
    """A session that is still followed: `awaited` are the run locations that have no FINAL here; empty means any."""

    started_at: datetime
    awaited: frozenset[str]


def load_ambiguous(db: Session, *, fire_pk: int | None = None) -> list[AmbiguousFire]:
    """The ambiguous fires that nobody has resolved, oldest first; or the one that is named."""
    query = (
        select(Fire, Schedule.name)
        .outerjoin(Schedule, Schedule.pk == Fire.schedule_pk)
        .where(Fire.state == "ambiguous", Fire.resolved_at.is_(None), Fire.intent_at.is_not(None))
        .order_by(Fire.intent_at, Fire.pk)
    )
    if fire_pk is not None:
        query = query.where(Fire.pk == fire_pk)
    return [
        AmbiguousFire(fire.pk, name, cast(datetime, fire.intent_at), tuple(_known_checks(db, fire)))
        for fire, name in db.execute(query).all()
    ]


def load_rivals(db: Session, fire: AmbiguousFire, *, within: timedelta) -> list[Rival]:
    """The other fires of about the same time whose results may be mistaken for those of this one."""
    open_session = exists().where(CheckSession.fire_pk == Fire.pk, CheckSession.next_poll_at.is_not(None))
    near = Fire.intent_at.between(fire.intent_at - within, fire.intent_at + within)
    unsure = Fire.state.in_(("intent", "ambiguous")) | (Fire.state == "triggered") & (
        Fire.resolved_at.is_not(None) | open_session
    )
    return [
        Rival(
            rival.pk,
            cast(datetime, rival.intent_at),
            frozenset(check.check_id for check in _known_checks(db, rival)),
            is_answered=rival.state == "triggered" and rival.resolved_at is None,
        )
        for rival in db.scalars(select(Fire).where(near, unsure, Fire.pk != fire.pk).order_by(Fire.pk))
    ]


def load_followed(db: Session, check_id: UUID) -> list[FollowedSession]:
    """The sessions of a check that are still followed."""
    open_ones = db.execute(
        select(CheckSession.pk, CheckSession.started_at, LocationSet.run_locations)
        .join(Check, Check.pk == CheckSession.check_pk)
        .join(LocationSet, LocationSet.pk == CheckSession.location_set_pk)
        .where(Check.check_id == check_id, CheckSession.next_poll_at.is_not(None))
    ).all()
    return [FollowedSession(one.started_at, _awaited(db, one.pk, json.loads(one.run_locations))) for one in open_ones]


def _awaited(db: Session, session_pk: int, locations: Sequence[str]) -> frozenset[str]:
    arrived = db.scalars(
        select(RunLocation.name)
        .join(CheckResult, CheckResult.run_location_pk == RunLocation.pk)
        .where(CheckResult.session_pk == session_pk, CheckResult.result_type == "FINAL")
    )
    return frozenset(locations) - set(arrived)


def known_results(db: Session, ids: Sequence[UUID], *, fire_pk: int) -> set[UUID]:
    """Which of these results are accounted for: by a recorded session, or as evidence of another fire than this.

    One that was only backfilled may be evidence.
    """
    query = (
        select(CheckResult.check_result_id)
        .join(CheckSession, CheckSession.pk == CheckResult.session_pk)
        .where(
            CheckResult.check_result_id.in_(ids),
            or_(
                CheckSession.status.not_in(STAND_INS),
                and_(CheckSession.status == RECONCILED, CheckSession.fire_pk != fire_pk),
            ),
        )
    )
    return set(db.scalars(query))


def note_evidence(db: Session, fire_pk: int, evidence: str, *, now: datetime) -> None:
    """Write what the search found beside the fire; its state stays."""
    db.execute(update(Fire).where(Fire.pk == fire_pk).values(evidence=evidence, reconciled_at=now))


def resolve(db: Session, fire_pk: int, *, ran: bool, who: str, now: datetime) -> bool:
    """Write a person's decision: it ran (`triggered`) or it did not (`missed`). Whether the fire was ambiguous."""
    decision = {"state": "triggered", "reason": None} if ran else {"state": "missed", "reason": Reason.NETWORK}
    result = db.execute(
        update(Fire)
        .where(Fire.pk == fire_pk, Fire.state == "ambiguous")
        .values(**decision, resolved_at=now, resolved_by=who)
    )
    return cast("CursorResult[Any]", result).rowcount > 0


def _known_checks(db: Session, fire: Fire) -> list[KnownCheck]:
    """The checks named by id, and those that the same request started when it was last answered."""
    body = json.loads(fire.request_body or "{}")
    named = {UUID(text) for text in body.get("target", {}).get("checkId", ())}
    started = set(
        db.scalars(
            select(Check.check_id)
            .join(CheckSession, CheckSession.check_pk == Check.pk)
            .join(Fire, Fire.pk == CheckSession.fire_pk)
            .where(Fire.request_sha256 == fire.request_sha256, Fire.state == "triggered")
            .distinct()
        )
    )
    return [load_known_check(db, check_id) for check_id in sorted(named | started)]


def load_known_check(db: Session, check_id: UUID) -> KnownCheck:
    """What is known of a check: its type, and where its last recorded session should run."""
    last = db.execute(
        select(Check.check_type, LocationSet.run_locations)
        .join(CheckSession, CheckSession.check_pk == Check.pk)
        .join(LocationSet, LocationSet.pk == CheckSession.location_set_pk)
        .where(Check.check_id == check_id, CheckSession.status.not_in(STAND_INS))
        .order_by(CheckSession.started_at.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return KnownCheck(check_id, "UNKNOWN", ())
    return KnownCheck(check_id, last.check_type, tuple(json.loads(last.run_locations)))
