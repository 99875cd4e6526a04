"""Every write of fires: the ledger that makes each due instant happen at most once.

    due -> intent -> triggered | no_match | rejected | ambiguous
    due -> missed | skipped            intent -> due (provably not sent, or refused with 429)

Takes a `Session`, never commits. Every change is a compare-and-set on the state it leaves, and on the owner once there
is one, so that a row belongs to whoever changed it first. No function here touches the network.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import CursorResult, Select, and_, exists, func, literal_column, or_, select, update
from sqlalchemy.orm import Session

from recorder.bulk import among
from recorder.dimensions import table_of, upserting
from recorder.models import CheckSession, Fire, Schedule

INTENT_LEASE: Final = timedelta(minutes=2)
"""How long an intent belongs to an owner of whom nothing else is known; longer than any request may last."""
_INSERT_BATCH: Final = 1_000


class Reason(StrEnum):
    """Why a fire ended as it did: a closed list, so that people can count by it."""

    # rejected
    HTTP_400 = "400"
    HTTP_401 = "401"
    HTTP_402 = "402"
    HTTP_403 = "403"
    REDIRECT = "redirect"
    BUDGET = "budget"
    # ambiguous
    OWNER_LOST = "owner_lost"
    READ_TIMEOUT = "read_timeout"
    CONN_RESET = "conn_reset"
    HTTP_5XX = "http_5xx"
    BAD_BODY = "bad_body"
    COMMIT_LOST = "commit_lost"
    # missed
    DAEMON_DOWN = "daemon_down"
    LATE_AFTER_GRACE = "late_after_grace"
    DB_UNAVAILABLE = "db_unavailable"
    STALLED = "stalled"
    CLOCK_JUMP = "clock_jump"
    RATE_LIMITED = "rate_limited"
    NETWORK = "network"
    # skipped
    OVERLAP = "overlap"
    PAUSED = "paused"
    COALESCED = "coalesced"
    CONFIG_REMOVED = "config_removed"
    CIRCUIT_OPEN = "circuit_open"
    SHUTTING_DOWN = "shutting_down"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Instant:
    """One due instant about to become a row: when, when at the earliest (jitter), and the state it starts in."""

    scheduled_for: datetime
    not_before: datetime
    state: str = "due"
    reason: Reason | None = None
    gap_until: datetime | None = None
    gap_count: int | None = None


@dataclass(frozen=True, slots=True)
class DueFire:
    """A fire that waits to be sent."""

    pk: int
    schedule_pk: int
    scheduled_for: datetime
    not_before: datetime
    attempt: int
    last_trouble: Reason | None
    """Why an earlier attempt came back without having been acted on."""
    first_intent_at: datetime | None
    """When it was first tried."""


@dataclass(frozen=True, slots=True)
class ClaimedFire:
    """A fire whose intent is written: once that is committed, exactly one request may leave."""

    pk: int
    owner: UUID
    origin: str
    attempt: int
    request_body: bytes


def insert_instants(db: Session, schedule_pk: int, instants: Sequence[Instant], *, cursor: datetime) -> None:
    """Write one fire for each instant that has none yet and move the cursor; the caller holds the schedule's lock.

    An instant has one already when the clock was wrong once, ran ahead and was set back. Now that its time has really
    come it is due after all, if nothing was ever sent for it.
    """
    rows = [
        {
            "schedule_pk": schedule_pk,
            "origin": "schedule",
            "scheduled_for": instant.scheduled_for,
            "not_before": instant.not_before,
            "state": instant.state,
            "reason": instant.reason,
            "attempt": 0,
            "outcome_at": None if instant.state == "due" else cursor,
            "gap_until": instant.gap_until,
            "gap_count": instant.gap_count,
        }
        for instant in instants
    ]
    fires = table_of(Fire)
    insert = upserting(db, fires)
    given = insert.excluded
    fresh = insert.on_conflict_do_update(
        index_elements=[fires.c.schedule_pk, fires.c.scheduled_for],
        set_={name: given[name] for name in ("state", "reason", "not_before", "outcome_at")},
        where=(given.state == literal_column("'due'"))
        & fires.c.state.in_((literal_column("'missed'"), literal_column("'skipped'")))
        & (fires.c.attempt == literal_column("0"))
        & fires.c.gap_until.is_(None)
        & fires.c.resolved_at.is_(None),
    )
    for start in range(0, len(rows), _INSERT_BATCH):
        db.execute(fresh, rows[start : start + _INSERT_BATCH])
    db.execute(update(Schedule).where(Schedule.pk == schedule_pk).values(cursor=cursor))


def has_due(db: Session, schedule_pks: Collection[int], *, now: datetime) -> bool:
    """Whether a fire of these schedules may be sent now."""
    return bool(_oldest_due(db, schedule_pks, select(Fire.schedule_pk), now=now, limit=1))


def lock_due_fires(db: Session, schedule_pks: Collection[int], *, now: datetime, limit: int) -> list[DueFire]:
    """Up to `limit` fires of these schedules that may be sent now, oldest first, without rows another daemon holds."""
    wanted = select(
        Fire.pk,
        Fire.schedule_pk,
        Fire.scheduled_for,
        Fire.not_before,
        Fire.attempt,
        Fire.reason,
        Fire.first_intent_at,
    ).with_for_update(skip_locked=True)
    return [
        DueFire(
            row.pk,
            row.schedule_pk,
            row.scheduled_for,
            row.not_before,
            row.attempt,
            Reason(row.reason) if row.reason else None,
            row.first_intent_at,
        )
        for row in _oldest_due(db, schedule_pks, wanted, now=now, limit=limit)
    ]


def _oldest_due(
    db: Session, schedule_pks: Collection[int], wanted: Select[*tuple[Any, ...]], *, now: datetime, limit: int
) -> Sequence[Any]:
    """The oldest due fires of these schedules; their keys, which may be thousands, are only sent if others are due."""
    query = wanted.where(Fire.state == "due", Fire.not_before <= now).order_by(Fire.scheduled_for, Fire.pk).limit(limit)
    rows = db.execute(query).all()
    if all(row.schedule_pk in schedule_pks for row in rows):
        return rows
    return db.execute(query.where(among(db, Fire.__table__.c.schedule_pk, schedule_pks))).all()


def has_newer_due(db: Session, fire: DueFire, *, now: datetime) -> bool:
    """Whether a later instant of the same schedule is due as well, so that this one may be coalesced into it."""
    newer = exists().where(
        Fire.schedule_pk == fire.schedule_pk,
        Fire.state == "due",
        Fire.not_before <= now,
        Fire.scheduled_for > fire.scheduled_for,
    )
    return bool(db.scalar(select(newer)))


def is_overlapped(db: Session, fire: DueFire) -> bool:
    """Whether an earlier fire of the same schedule is still being sent or has sessions that are still followed."""
    sent = exists().where(Fire.schedule_pk == fire.schedule_pk, Fire.state == "intent", Fire.pk != fire.pk)
    followed = exists().where(
        CheckSession.fire_pk == Fire.pk,
        Fire.schedule_pk == fire.schedule_pk,
        CheckSession.next_poll_at.is_not(None),
        CheckSession.abandoned_at.is_(None),
    )
    return bool(db.scalar(select(sent | followed)))


def write_intent(db: Session, fire: DueFire, *, owner: UUID, body: bytes, now: datetime) -> ClaimedFire | None:
    """Move a due fire to `intent` for this owner; None when somebody else was first."""
    changed = _change(
        db,
        and_(Fire.pk == fire.pk, Fire.state == "due"),
        state="intent",
        owner=owner,
        attempt=fire.attempt + 1,
        reason=None,
        first_intent_at=fire.first_intent_at or now,
        intent_at=now,
        request_body=body.decode(),
        request_sha256=hashlib.sha256(body).hexdigest(),
    )
    return ClaimedFire(fire.pk, owner, "schedule", fire.attempt + 1, body) if changed else None


def open_intent(
    db: Session, *, owner: UUID, origin: str, body: bytes, now: datetime, schedule_pk: int | None = None
) -> ClaimedFire:
    """Write a fire that is asked for here and now, already as an intent; commit before the socket is touched."""
    pk = _add_fire(
        db,
        origin,
        schedule_pk,
        now,
        state="intent",
        owner=owner,
        attempt=1,
        intent_at=now,
        request_body=body.decode(),
        request_sha256=hashlib.sha256(body).hexdigest(),
    )
    return ClaimedFire(pk, owner, origin, 1, body)


def write_unsent(db: Session, *, origin: str, reason: Reason, now: datetime, schedule_pk: int | None = None) -> int:
    """Write a fire that was asked for here and now and is not sent, as skipped; its key."""
    return _add_fire(db, origin, schedule_pk, now, state="skipped", reason=reason, attempt=0, outcome_at=now)


def close_due(db: Session, fire: DueFire, *, state: str, reason: Reason, now: datetime) -> bool:
    """End a due fire as missed or skipped; whether it was still due."""
    return _change(db, and_(Fire.pk == fire.pk, Fire.state == "due"), state=state, reason=reason, outcome_at=now)


def skip_due(db: Session, schedule_pk: int, reason: Reason, *, now: datetime) -> None:
    """Skip everything that is due for a schedule."""
    _change(
        db,
        and_(Fire.schedule_pk == schedule_pk, Fire.state == "due"),
        state="skipped",
        reason=reason,
        outcome_at=now,
    )


def settle_fire(
    db: Session,
    fire: ClaimedFire,
    *,
    state: str,
    now: datetime,
    reason: str | None = None,
    http_status: int | None = None,
    session_count: int | None = None,
) -> bool:
    """Write what became of an intent; whether it was still this owner's.

    An `ambiguous` fire may still become `triggered` through its own owner, when the answer comes after all.
    """
    open_states = ("intent", "ambiguous") if state == "triggered" else ("intent",)
    return _change(
        db,
        and_(Fire.pk == fire.pk, Fire.owner == fire.owner, Fire.state.in_(open_states), Fire.resolved_at.is_(None)),
        state=state,
        reason=reason,
        outcome_at=now,
        http_status=http_status,
        session_count=session_count,
    )


def is_fire_of(db: Session, fire_pk: int, owner: UUID) -> bool:
    """Whether this database has the fire, and this owner had it last; another database has other fires and owners."""
    return bool(db.scalar(select(exists().where(Fire.pk == fire_pk, Fire.owner == owner))))


def return_fire(db: Session, fire: ClaimedFire, *, not_before: datetime, reason: Reason) -> bool:
    """Give an intent back that provably was not acted on: due again at `not_before`, its attempts counted."""
    return _change(
        db,
        and_(Fire.pk == fire.pk, Fire.owner == fire.owner, Fire.state == "intent"),
        state="due",
        owner=None,
        reason=reason,
        not_before=not_before,
    )


def orphaned_intents(
    db: Session, *, owner: UUID, living: Sequence[UUID], now: datetime, lock_proves: bool
) -> list[ClaimedFire]:
    """Intents whose owner can no longer be waiting for the answer.

    An intent older than any request may last is an orphan, whoever wrote it. A younger one is when its owner is a
    daemon that is dead: this process holds the database's lock (`lock_proves`), or the owner is not among the `living`.
    Commands in the foreground take no lock and sign no roster: only age tells.
    """
    old = Fire.intent_at < now - INTENT_LEASE
    dead = and_(Fire.origin != "manual", Fire.owner != owner, Fire.owner.not_in(living))
    if not lock_proves:  # the clock may have been set back since, so a proof asks for no age
        dead = and_(dead, Fire.intent_at <= now - INTENT_LEASE / 2)
    orphans = select(Fire).where(Fire.state == "intent", or_(old, dead)).with_for_update(skip_locked=True)
    rows = db.scalars(orphans)
    return [
        ClaimedFire(row.pk, cast(UUID, row.owner), row.origin, row.attempt, (row.request_body or "").encode())
        for row in rows
    ]


def _add_fire(db: Session, origin: str, schedule_pk: int | None, now: datetime, **columns: object) -> int:
    at = _free_instant(db, schedule_pk, now)
    fire = Fire(schedule_pk=schedule_pk, origin=origin, scheduled_for=at, not_before=now, **columns)
    db.add(fire)
    db.flush()
    return fire.pk


def _free_instant(db: Session, schedule_pk: int | None, now: datetime) -> datetime:
    """The present millisecond, or the next one that no fire of the schedule has taken."""
    if schedule_pk is None:
        return now
    taken = db.scalar(
        select(func.max(Fire.scheduled_for)).where(
            Fire.schedule_pk == schedule_pk, Fire.scheduled_for >= now, Fire.scheduled_for < now + timedelta(seconds=1)
        )
    )
    return now if taken is None else taken + timedelta(milliseconds=1)


def _change(db: Session, where: Any, **values: object) -> bool:
    result = db.execute(update(Fire).where(where).values(**values).execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", result).rowcount > 0
