"""Owns the rows that stand for many instants at once: what they may cover, and what a wrong clock leaves of them.

Takes a `Session`, never commits.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from recorder.ledger import Instant, Reason
from recorder.models import Fire
from recorder.schedule import Cadence, count_due_between, due_between

GAP_LIMIT: Final = 10_000
"""Instants of one absence that become rows of their own; beyond it one gap row stands for the older ones."""
_FEW: Final = 20
"""Up to so many instants are counted one by one: between two rows there is mostly none."""
_TICK: Final = timedelta(milliseconds=1)


def gap_instants(
    db: Session, schedule_pk: int, cadence: Cadence, after: datetime, until: datetime, *, state: str, reason: Reason
) -> list[Instant]:
    """The instants in (after, until] that have no row, as few rows as possible: one, or one between any two rows.

    Rows are there already when a clock ran ahead and was set back.
    """
    made: list[Instant] = []
    edge = after
    for first, last in _taken(db, schedule_pk, after, until):
        made += _stretch(cadence, edge, first - _TICK, state, reason)
        edge = max(edge, last)
    return made + _stretch(cadence, edge, until, state, reason)


def end_gaps_at(db: Session, schedule_pk: int, cadence: Cadence, now: datetime) -> None:
    """Take back what gap rows say of the time after `now`, which a clock that ran ahead has not seen either."""
    ahead = select(Fire).where(Fire.schedule_pk == schedule_pk, Fire.gap_until > now)
    for gap in db.scalars(ahead).all():
        count, last = count_due_between(cadence, gap.scheduled_for - _TICK, now)
        if last is None:
            db.delete(gap)
        else:
            gap.gap_until, gap.gap_count = last, count
    db.flush()


def _stretch(cadence: Cadence, after: datetime, until: datetime, state: str, reason: Reason) -> list[Instant]:
    few = due_between(cadence, after, until, limit=_FEW)
    if not few:
        return []
    count, last = (len(few), few[-1]) if len(few) < _FEW else count_due_between(cadence, after, until)
    if count == 1:
        return [Instant(few[0], few[0], state, reason)]
    return [Instant(few[0], few[0], state, reason, gap_until=last, gap_count=count)]


def _taken(db: Session, schedule_pk: int, after: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """The first and the last instant of every row that reaches into (after, until], oldest first."""
    end = func.coalesce(Fire.gap_until, Fire.scheduled_for)
    mine = (Fire.schedule_pk == schedule_pk) & (Fire.scheduled_for <= until) & (end > after)
    rows = db.execute(select(Fire.scheduled_for, Fire.gap_until).where(mine).order_by(Fire.scheduled_for))
    return [(row.scheduled_for, row.gap_until or row.scheduled_for) for row in rows]
