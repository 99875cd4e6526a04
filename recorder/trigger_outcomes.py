"""What became of one trigger, and the one transaction that writes a fire's outcome with all of its sessions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from recorder import ledger
from recorder.errors import ChecklyError, PerhapsSent
from recorder.learning import load_expectations_of
from recorder.ledger import ClaimedFire, Reason
from recorder.materialising import Follow
from recorder.pacing import Expectation, expect
from recorder.payloads import Malformed, SessionSnapshot, TriggerAnswer
from recorder.quarantine import record_malformed
from recorder.store import Recording, record_sessions

CANCELLABLE: Final = "PLAYWRIGHT"
"""The only type of check whose sessions obey a cancel."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one fire; `error` is set unless it is triggered or matched nothing."""

    fire_pk: int
    state: str
    reason: str | None
    sessions: tuple[UUID, ...] = ()
    ran_everywhere: frozenset[str] = frozenset()
    """The run locations that all of the sessions have."""
    error: ChecklyError | None = None

    def absent_locations(self, expected: Iterable[str]) -> list[str]:
        """Which of these locations some session does not run in; none when nothing was started."""
        return sorted(set(expected) - self.ran_everywhere) if self.sessions else []


def settle(
    db: Session,
    fire: ClaimedFire,
    *,
    state: str,
    reason: str | None,
    now: datetime,
    error: ChecklyError | None = None,
    raw: bytes = b"",
    http_status: int | None = None,
) -> Sent:
    """Write an outcome that has no sessions; `raw` is an answer that could not be read."""
    status = http_status if error is None else error.http_status
    ledger.settle_fire(db, fire, state=state, reason=reason, now=now, http_status=status)
    if raw:
        record_malformed(db, [Malformed(reason or state, raw)], now=now, kind="trigger", fire_pk=fire.pk)
    return Sent(fire.pk, state, reason, error=error)


def write_outcome(db: Session, fire: ClaimedFire, answer: TriggerAnswer, follow: Follow, *, now: datetime) -> Sent:
    """Write the fire's state and all its sessions; the caller's transaction makes them one."""
    record_malformed(db, answer.malformed, now=now, fire_pk=fire.pk)
    state, reason = ("triggered", None) if answer.sessions else ("ambiguous", Reason.BAD_BODY)
    ledger.settle_fire(
        db,
        fire,
        state=state,
        reason=reason,
        now=now,
        http_status=answer.http_status,
        session_count=len(answer.sessions),
    )
    learned = load_expectations_of(db, {(one.check_id, one.run_locations) for one in answer.sessions})
    recordings = [
        _begin(fire, one, learned.get((one.check_id, one.run_locations), expect(one.check_type)), follow, now)
        for one in answer.sessions
    ]
    record_sessions(db, recordings, now=now)
    ids = tuple(snapshot.check_session_id for snapshot in answer.sessions)
    locations = [frozenset(snapshot.run_locations) for snapshot in answer.sessions]
    everywhere = frozenset.intersection(*locations) if locations else frozenset()
    unreadable = "no session of the answer can be read; it is kept raw, and the trigger is not sent again"
    error = None if answer.sessions else PerhapsSent(unreadable, reason=Reason.BAD_BODY, http_status=answer.http_status)
    return Sent(fire.pk, state, reason, ids, everywhere, error)


def _begin(
    fire: ClaimedFire, snapshot: SessionSnapshot, expectation: Expectation, follow: Follow, now: datetime
) -> Recording:
    """A session that has just been started: first asked for when one in ten of its kind is over."""
    return Recording(
        snapshot,
        fire.origin,
        closes=False,
        fire_pk=fire.pk,
        next_poll_at=now + min(timedelta(seconds=expectation.early_s), follow.timeout),
        expected_at=now + timedelta(seconds=expectation.middle_s),
        deadline_at=now + follow.timeout,
        cancel_on_timeout=follow.cancel and snapshot.check_type == CANCELLABLE,
    )
