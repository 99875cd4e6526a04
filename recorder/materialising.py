"""Turns the time that has passed into fires: every instant between a schedule's cursor and now becomes one row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from recorder import ledger
from recorder.gaps import GAP_LIMIT, gap_instants
from recorder.ledger import Instant, Reason
from recorder.schedule import Cadence, count_due_between, due_between, jitter_for
from recorder.schedule_store import ScheduleRow, lock_schedule
from recorder.targets import Target

ENOUGH: Final = 5_000
"""Rows after which a transaction ends; they take SQLite less than a second."""
WhyLate = Callable[[datetime], Reason]


@dataclass(frozen=True, slots=True)
class Follow:
    """How long the sessions of a fire are followed, and whether Checkly is asked to cancel what runs longer."""

    timeout: timedelta
    cancel: bool = False


@dataclass(frozen=True, slots=True)
class PlannedSchedule:
    """A schedule of the configuration with what the ledger needs to know about it."""

    name: str
    definition: str
    """Its canonical JSON, which the ledger holds too while nobody else was told otherwise."""
    cadence: Cadence
    target: Target
    jitter: timedelta
    misfire: str
    misfire_grace: timedelta
    overlap: str
    follow: Follow
    expect_locations: tuple[str, ...]


def materialise(
    plans: Mapping[int, PlannedSchedule], now: datetime, why_late: WhyLate, db: Session
) -> dict[int, datetime]:
    """Write the instants in (cursor, now] of these schedules; up to where each was looked at, all by key.

    Once there are `ENOUGH` rows the other schedules are left for the next transaction: nobody else can write meanwhile.
    Another daemon may have been faster, or told something else since: then it is no longer ours. `why_late` says what
    kept an instant from being seen in time.
    """
    cursors: dict[int, datetime] = {}
    written = 0
    for pk in sorted(plans):
        row = lock_schedule(db, pk)
        cursors[pk] = now  # also of a cursor that is ahead: whoever moved it there may take it back
        if row.cursor >= now or not row.is_told(plans[pk].definition):
            continue
        instants = _instants(row, plans[pk], now, why_late, db)
        ledger.insert_instants(db, pk, instants, cursor=now)
        written += len(instants)
        if written >= ENOUGH:
            break
    return cursors


def ended_instants(
    db: Session, schedule_pk: int, cadence: Cadence, after: datetime, until: datetime, *, state: str, reason: Reason
) -> list[Instant]:
    """The instants in (after, until] as rows that end unsent; beyond the limit one gap row stands for all."""
    count, _ = count_due_between(cadence, after, until)
    if count > GAP_LIMIT:
        return gap_instants(db, schedule_pk, cadence, after, until, state=state, reason=reason)
    return [Instant(at, at, state, reason) for at in due_between(cadence, after, until, limit=GAP_LIMIT)]


def _instants(row: ScheduleRow, plan: PlannedSchedule, now: datetime, why_late: WhyLate, db: Session) -> list[Instant]:
    cursor = row.known_since(now)
    ended = partial(ended_instants, db, row.pk, plan.cadence, cursor)
    if row.paused:
        return ended(now, state="skipped", reason=Reason.PAUSED)
    state, reason = ("missed", why_late(cursor)) if plan.misfire == "skip" else ("skipped", Reason.COALESCED)
    after = _end_of_gap(plan, cursor, now)
    due = [
        (at, at + jitter_for(plan.name, at, plan.jitter))
        for at in due_between(plan.cadence, after, now, limit=GAP_LIMIT)
    ]
    return ended(after, state=state, reason=reason) + misfire_plan(
        due, now=now, grace=plan.misfire_grace, policy=plan.misfire, why_late=why_late
    )


def _end_of_gap(plan: PlannedSchedule, cursor: datetime, now: datetime) -> datetime:
    """Up to where the instants after `cursor` are too many to be judged one by one; `cursor` when they are not.

    What is still inside its grace is no part of a gap; where only the newest instant is to run, all others are.
    """
    if count_due_between(plan.cadence, cursor, now)[0] <= GAP_LIMIT:
        return cursor
    in_time_alone = now - plan.misfire_grace - plan.jitter - timedelta(milliseconds=1)
    are_few = count_due_between(plan.cadence, max(cursor, in_time_alone), now)[0] <= GAP_LIMIT
    if plan.misfire == "skip" and are_few:
        return in_time_alone
    return _instant_before_newest(plan.cadence, cursor, now)


def _instant_before_newest(cadence: Cadence, after: datetime, until: datetime) -> datetime:
    """The instant before the last one in (after, until]; there are many, so the search starts near the end."""
    span = timedelta(minutes=1)
    while True:
        near_end = due_between(cadence, max(after, until - span), until, limit=GAP_LIMIT)
        if len(near_end) > 1:
            return near_end[-2]
        span *= 4


def misfire_plan(
    due: Sequence[tuple[datetime, datetime]], *, now: datetime, grace: timedelta, policy: str, why_late: WhyLate
) -> list[Instant]:
    """What becomes of each instant of one catch-up, in order; `due` says with each when its jitter is over. Pure.

    An instant later than its jitter and its grace is a misfire. Policy `skip`: it is missed. Policy `run_once`: the
    newest instant runs, however late, and every misfire before it is coalesced into it.
    """
    plan: list[Instant] = []
    for position, (at, not_before) in enumerate(due):
        if now - not_before <= grace or (policy == "run_once" and position == len(due) - 1):
            plan.append(Instant(at, not_before))
        elif policy == "run_once":
            plan.append(Instant(at, not_before, "skipped", Reason.COALESCED))
        else:
            plan.append(Instant(at, not_before, "missed", why_late(at)))
    return plan
