"""Pure: what one answer about an open session means for its row."""

from dataclasses import replace
from datetime import datetime, timedelta

from recorder.errors import BadAnswer, ChecklyError, NoSuchThing, Refused, TryLater
from recorder.open_sessions import OpenSession
from recorder.pacing import (
    CANCELLED_POLL,
    FORGOTTEN_AFTER,
    FORGOTTEN_POLL,
    LATE_FOR,
    LATE_POLL,
    LONGEST_WAIT_S,
    REFUSED_POLL,
    SETTLING,
    SETTLING_POLL,
    TROUBLE_POLL,
    shown_pause_s,
    unheld_pause_s,
)
from recorder.payloads import SessionSnapshot, StillRunning
from recorder.store import Postponement, Recording

Answer = SessionSnapshot | StillRunning | ChecklyError


def judge(
    session: OpenSession, answer: Answer, *, now: datetime, held_s: float = LONGEST_WAIT_S
) -> Recording | Postponement:
    """What to write after this answer: a recording of what was seen, or only when to ask again.

    `held_s` is how long Checkly held the answer, in seconds.
    """
    if session.settling_since is not None and isinstance(answer, ChecklyError):
        if now - session.settling_since >= SETTLING:
            return Postponement(session.pk, None, final_at=now)
        return Postponement(session.pk, now + SETTLING_POLL)
    if isinstance(answer, NoSuchThing):
        return _judge_missing(session, now)
    pause = _pause_after(answer, session.age_s(now), unheld=_unheld(session, now, held_s))
    if isinstance(answer, SessionSnapshot):
        return _judge_snapshot(session, answer, now, pause)
    postponed = _postpone(session, now, pause)
    shows_nothing = isinstance(answer, ChecklyError)  # neither that the session is there nor that it is not
    return replace(postponed, missing_since=session.missing_since) if shows_nothing else postponed


def _unheld(session: OpenSession, now: datetime, held_s: float) -> timedelta:
    """The pause for a server that says "still running" without having waited."""
    asked_at = now - timedelta(seconds=held_s)
    left_s = session.wait_s(asked_at) - held_s
    return timedelta(seconds=unheld_pause_s(session.age_s(now), left_s=left_s))


def _judge_snapshot(
    session: OpenSession, snapshot: SessionSnapshot, now: datetime, pause: timedelta
) -> Recording | Postponement:
    settled = session.settling_since is not None and now - session.settling_since >= SETTLING
    closes = snapshot.is_final and (not snapshot.missing_locations or settled or snapshot.status == "CANCELLED")
    if not snapshot.is_final and session.is_past_deadline(now):
        return _postpone(session, now, timedelta(0))
    if closes:
        return Recording(snapshot, session.origin, closes=True)
    if snapshot.is_final:
        return Recording(snapshot, session.origin, closes=False, next_poll_at=now + SETTLING_POLL)
    next_poll_at = _next_poll(session, now, pause)
    if next_poll_at is None:
        return Postponement(session.pk, None)
    return Recording(
        snapshot, session.origin, closes=False, next_poll_at=next_poll_at, expected_at=session.expected_at(now)
    )


def _judge_missing(session: OpenSession, now: datetime) -> Postponement:
    since = session.missing_since or now
    if now - since >= FORGOTTEN_AFTER:
        return Postponement(session.pk, None, missing_since=since, abandoned_at=now, abandoned_reason="gone")
    return Postponement(session.pk, now + FORGOTTEN_POLL, missing_since=since)


def _pause_after(
    answer: SessionSnapshot | StillRunning | ChecklyError, age_s: float, *, unheld: timedelta
) -> timedelta:
    if isinstance(answer, SessionSnapshot):
        return max(unheld, timedelta(seconds=shown_pause_s(age_s)))
    if isinstance(answer, StillRunning):
        return max(unheld, timedelta(seconds=answer.retry_after_s or 0))
    if isinstance(answer, TryLater) and answer.retry_after_s is not None:
        return max(TROUBLE_POLL, timedelta(seconds=answer.retry_after_s))
    if isinstance(answer, Refused):
        return REFUSED_POLL
    return TROUBLE_POLL * 3 if isinstance(answer, BadAnswer) else TROUBLE_POLL


def _postpone(session: OpenSession, now: datetime, pause: timedelta) -> Postponement:
    """Ask again later; past the deadline the session is abandoned here, whatever Checkly says of it."""
    if session.is_past_deadline(now):
        return Postponement(session.pk, now + _late_pause(session, now), abandoned_at=now, abandoned_reason="timeout")
    return Postponement(session.pk, _next_poll(session, now, pause), expected_at=session.expected_at(now))


def _next_poll(session: OpenSession, now: datetime, pause: timedelta) -> datetime | None:
    """When to ask again, at its deadline at the latest; an abandoned session for a day, then never."""
    if session.abandoned_at is None:
        return now + pause if session.deadline_at is None else min(now + pause, session.deadline_at)
    return now + _late_pause(session, now) if now - session.abandoned_at < LATE_FOR else None


def _late_pause(session: OpenSession, now: datetime) -> timedelta:
    """An hour; after a cancellation soon, and then each time as long again as it is past its deadline."""
    if session.deadline_at is None or not session.is_to_be_cancelled(now):
        return LATE_POLL
    return min(max(now - session.deadline_at, CANCELLED_POLL), LATE_POLL)
