"""What a clock that ran ahead has written about things that are still open: taken back to the present.

Without it a session would keep its deadline, and a dead daemon its life, for as long as the clock was wrong. History
that is closed keeps what it says. Takes a `Session`, never commits.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from recorder.clocks import STEP_LIMIT_S
from recorder.models import CheckSession, Fire, RunningDaemon

CLOCKS_AGREE: Final = timedelta(seconds=STEP_LIMIT_S)
"""What is no further ahead than this was written by the same clock."""


def take_back(db: Session, *, now: datetime) -> None:
    """Let no open session, intent or daemon say that something happened after `now`; a second call changes nothing."""
    ahead = now + CLOCKS_AGREE
    said = (
        CheckSession.recorded_at,
        CheckSession.settling_since,
        CheckSession.missing_since,
        CheckSession.abandoned_at,
    )
    is_open = CheckSession.next_poll_at.is_not(None)
    for session in db.scalars(select(CheckSession).where(is_open, or_(*(at > ahead for at in said)))):
        if session.deadline_at is not None and session.recorded_at > now:
            session.deadline_at -= session.recorded_at - now
        session.recorded_at = min(session.recorded_at, now)
        session.settling_since = _not_after(now, session.settling_since)
        session.missing_since = _not_after(now, session.missing_since)
        session.abandoned_at = _not_after(now, session.abandoned_at)
        session.expected_at = _not_after(now, session.expected_at)
    db.flush()
    db.execute(update(Fire).where(Fire.state == "intent", Fire.intent_at > ahead).values(intent_at=now))
    alive = RunningDaemon.stopped_at.is_(None)
    db.execute(update(RunningDaemon).where(alive, RunningDaemon.seen_at > ahead).values(seen_at=now))


def _not_after(now: datetime, said: datetime | None) -> datetime | None:
    return None if said is None else min(said, now)
