"""Claims and clock hands of open sessions: which are due to be asked for, and when next. Never commits."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from recorder.dimensions import table_of
from recorder.learning import Place, load_expectations
from recorder.models import Check, CheckSession
from recorder.pacing import (
    LATE_POLL,
    LEASE,
    LONGEST_RUN_S,
    LONGEST_WAIT_S,
    OVERDUE_AFTER,
    SETTLING,
    SETTLING_POLL,
    UNKNOWN,
    Expectation,
)
from recorder.result_store import mark_partial
from recorder.store import Postponement

_SESSIONS: Final = table_of(CheckSession)
_CHECKS: Final = table_of(Check)
Scope = Sequence[UUID] | None
"""The sessions a process may follow; None means all."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is being followed, as its row said when it was claimed."""

    pk: int
    check_session_id: UUID
    origin: str
    deadline_at: datetime | None
    settling_since: datetime | None
    missing_since: datetime | None
    abandoned_at: datetime | None
    cancel_on_timeout: bool = False
    recorded_at: datetime | None = None
    """When it was first heard of, by our clock."""
    expectation: Expectation = UNKNOWN
    place: Place | None = None
    """Whose durations are expected of it."""

    def age_s(self, now: datetime) -> float:
        """How long it has been known, in seconds; a clock of ours that was set back makes it new, never younger."""
        return 0.0 if self.recorded_at is None else max((now - self.recorded_at).total_seconds(), 0.0)

    def expected_at(self, now: datetime) -> datetime:
        """When it is expected to end, now that it is known to run still."""
        return now + timedelta(seconds=self.expectation.rest_s(self.age_s(now)))

    def is_past_deadline(self, now: datetime) -> bool:
        """Whether its time is over and nobody has said so yet."""
        return self.abandoned_at is None and self.deadline_at is not None and now >= self.deadline_at

    def is_to_be_cancelled(self, now: datetime) -> bool:
        """Whether Checkly is asked, at each question past the deadline, to cancel it: asking twice is safe."""
        return self.cancel_on_timeout and self.deadline_at is not None and now >= self.deadline_at

    def wait_s(self, now: datetime) -> int:
        """How long Checkly should hold the next answer back, in seconds, 1 to 30."""
        if self.abandoned_at is not None or self.settling_since is not None:
            return 1
        left = LONGEST_WAIT_S if self.deadline_at is None else int((self.deadline_at - now).total_seconds())
        return min(max(left, 1), self.expectation.wait_s(self.age_s(now)))


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A session that is no longer waited for: why (timeout or gone), and for how many seconds it was known."""

    check_session_id: UUID
    check: str
    """The check's name; its id when it has none."""
    reason: str
    followed_s: float


def claim_open_sessions(db: Session, *, now: datetime, limit: int, scope: Scope = None) -> list[OpenSession]:
    """Take up to `limit` sessions whose time has come, and leave them alone for a lease.

    First those that are expected to end first. That moment stands still while a session waits and lies in the future of
    every newcomer, so each session's turn comes. The claim is only the pushed-back `next_poll_at`: when its holder
    dies, the session is due again by itself.
    """
    due = (_SESSIONS.c.next_poll_at <= now) & _in_scope(scope)
    rows = db.execute(
        select(
            _SESSIONS.c.pk,
            _SESSIONS.c.check_session_id,
            _SESSIONS.c.origin,
            _SESSIONS.c.deadline_at,
            _SESSIONS.c.settling_since,
            _SESSIONS.c.missing_since,
            _SESSIONS.c.abandoned_at,
            _SESSIONS.c.cancel_on_timeout,
            _SESSIONS.c.recorded_at,
            _SESSIONS.c.check_pk,
            _SESSIONS.c.location_set_pk,
        )
        .where(due)
        .order_by(func.coalesce(_SESSIONS.c.expected_at, _SESSIONS.c.next_poll_at), _SESSIONS.c.pk)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        claimed = _SESSIONS.c.pk.in_([row.pk for row in rows])
        db.execute(update(_SESSIONS).where(claimed).values(next_poll_at=now + LEASE))
    learned = load_expectations(db, {(row.check_pk, row.location_set_pk) for row in rows})
    return [
        OpenSession(
            row.pk,
            row.check_session_id,
            row.origin,
            row.deadline_at,
            row.settling_since,
            row.missing_since,
            row.abandoned_at,
            row.cancel_on_timeout,
            row.recorded_at,
            learned[row.check_pk, row.location_set_pk],
            (row.check_pk, row.location_set_pk),
        )
        for row in rows
    ]


def postpone(db: Session, postponements: Collection[Postponement]) -> list[GivenUp]:
    """Write when to ask again; a session that has become final meanwhile is left alone.

    Returns those that are given up by it and were not before.
    """
    given_up: list[GivenUp] = []
    for postponement in postponements:
        values: dict[str, object] = {
            "next_poll_at": postponement.next_poll_at,
            "expected_at": postponement.expected_at or postponement.next_poll_at,
            "missing_since": postponement.missing_since,
        }
        if postponement.final_at is not None:
            values |= {"final_at": postponement.final_at, "next_poll_at": None, "expected_at": None}
        still_open = (_SESSIONS.c.pk == postponement.session_pk) & _SESSIONS.c.final_at.is_(None)
        if postponement.abandoned_at is not None and postponement.abandoned_reason is not None:
            given_up += _give_up(db, still_open, at=postponement.abandoned_at, reason=postponement.abandoned_reason)
        db.execute(update(_SESSIONS).where(still_open).values(**values))
    mark_partial(db, [one.session_pk for one in postponements if one.final_at is not None])
    return given_up


def abandon_overdue(db: Session, *, now: datetime, scope: Scope = None) -> list[GivenUp]:
    """Give up what is past its deadline and was not asked for then, because Checkly cannot be asked, or not yet.

    Its next question stays due, for whenever it can be asked. What has ended is left the time in which it settles.
    """
    is_open = _SESSIONS.c.next_poll_at.is_not(None) & _SESSIONS.c.abandoned_at.is_(None)
    settles = _SESSIONS.c.settling_since > now - SETTLING - SETTLING_POLL - OVERDUE_AFTER
    overdue = (_SESSIONS.c.deadline_at <= now - OVERDUE_AFTER) & (_SESSIONS.c.settling_since.is_(None) | ~settles)
    found = select(_SESSIONS.c.pk).where(is_open & overdue & _in_scope(scope)).with_for_update(skip_locked=True)
    return _give_up(db, _SESSIONS.c.pk.in_(found), at=now, reason="timeout")


def _give_up(db: Session, which: ColumnElement[bool], *, at: datetime, reason: str) -> list[GivenUp]:
    """Mark sessions as abandoned, but for those that are already; the first reason stays. Returns them."""
    check = select(_CHECKS.c.name).where(_CHECKS.c.pk == _SESSIONS.c.check_pk).scalar_subquery()
    check_id = select(_CHECKS.c.check_id).where(_CHECKS.c.pk == _SESSIONS.c.check_pk).scalar_subquery()
    rows = db.execute(
        update(_SESSIONS)
        .where(which & _SESSIONS.c.abandoned_at.is_(None))
        .values(abandoned_at=at, abandoned_reason=reason)
        .returning(_SESSIONS.c.check_session_id, check, check_id, _SESSIONS.c.recorded_at)
    )
    return [
        GivenUp(session_id, name or str(check_id), reason, max((at - recorded_at).total_seconds(), 0.0))
        for session_id, name, check_id, recorded_at in rows
    ]


def release(db: Session, session_pks: Iterable[int], *, now: datetime) -> None:
    """Give claimed sessions back, to be asked for at once by whoever comes next."""
    open_ones = _SESSIONS.c.pk.in_(list(session_pks)) & _SESSIONS.c.next_poll_at.is_not(None)
    db.execute(update(_SESSIONS).where(open_ones).values(next_poll_at=now))


def resume(db: Session, *, now: datetime, stepped_back_s: float = 0.0) -> int:
    """End the leases of a dead process, or of a clock that was set back, at once; for the sole daemon of a database.

    A first question that was due at the old time is asked now: too early costs one request.
    Returns how many sessions are followed.
    """
    first_question = timedelta(seconds=LONGEST_RUN_S if stepped_back_s else 0)
    until = now + max(LEASE, first_question) + timedelta(seconds=stepped_back_s)
    leased = (_SESSIONS.c.next_poll_at > now) & (_SESSIONS.c.next_poll_at <= until)
    set_back = _SESSIONS.c.next_poll_at > now + LATE_POLL + LEASE  # further off than anything is put
    db.execute(update(_SESSIONS).where(leased | set_back).values(next_poll_at=now))
    return db.scalar(select(func.count()).where(_SESSIONS.c.next_poll_at.is_not(None))) or 0


def awaited_count(db: Session, *, scope: Scope = None) -> int:
    """How many sessions are still being followed and have not been abandoned."""
    awaited = _SESSIONS.c.next_poll_at.is_not(None) & _SESSIONS.c.abandoned_at.is_(None) & _in_scope(scope)
    return db.scalar(select(func.count()).select_from(_SESSIONS).where(awaited)) or 0


def _in_scope(scope: Scope) -> ColumnElement[bool]:
    return _SESSIONS.c.pk.is_not(None) if scope is None else _SESSIONS.c.check_session_id.in_(list(scope))
