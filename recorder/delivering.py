"""Use case: the reports that the daemon writes by itself, each due one once, also when it was due in an absence.

The cursor of a delivery is a row; several daemons on one database share the work by claiming it. What was begun and not
finished is tried again: at once when the daemon at it is dead, else when the claim is old (a folder was full).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import Engine

from recorder import deliveries
from recorder.clock import Clock
from recorder.config import ReportSettings, Settings
from recorder.db import transact
from recorder.errors import RecorderError, UsageError
from recorder.schedule import Cadence, due_between

WEEKLY: Final = "reports.weekly"
"""The delivery that `[reports] weekly` stands for; a dot keeps it apart from the names that people give."""
LONGEST_ABSENCE: Final = timedelta(days=366)
_MOST_DUE: Final = 600_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PlannedDelivery:
    """A delivery of the configuration: when, about which span, which checks (empty: all), and where it goes."""

    name: str
    cadence: Cadence
    period: str
    folder: Path
    keep: int
    schedules: tuple[str, ...] = ()
    match_tags: tuple[tuple[str, ...], ...] = ()
    check_ids: tuple[UUID, ...] = ()
    checks: tuple[str, ...] = ()
    notify_from: str | None = None


Deliver = Callable[[PlannedDelivery, datetime], None]
"""Writes the report that was due at an instant; asked for it again it changes nothing. Raises RecorderError."""


def planned_deliveries(settings: Settings) -> tuple[PlannedDelivery, ...]:
    """Every delivery of the configuration; `[reports] weekly` is the first, in the reports' directory itself."""
    reports = settings.reports
    weekly = () if reports.cadence is None else (_weekly(reports, reports.cadence),)
    named = (
        PlannedDelivery(
            name=one.name,
            cadence=one.cadence(reports.timezone),
            period=one.period,
            folder=reports.directory / one.name,
            keep=one.keep,
            schedules=one.schedules,
            match_tags=one.match_tags,
            check_ids=one.check_ids,
            checks=one.checks,
            notify_from=one.notify_from,
        )
        for one in settings.deliveries
    )
    return (*weekly, *named)


def _weekly(reports: ReportSettings, cadence: Cadence) -> PlannedDelivery:
    return PlannedDelivery(WEEKLY, cadence, "weekly", reports.directory, reports.keep, notify_from=reports.notify_from)


def deliver_due(
    engine: Engine,
    plans: Sequence[PlannedDelivery],
    *,
    owner: UUID,
    now: Clock,
    stop: threading.Event,
    deliver: Deliver,
) -> None:
    """Write every report that is due; what fails is a line of the log, tried again later, and holds up nothing else."""
    for plan in plans:
        try:
            _deliver_plan(engine, plan, owner=owner, now=now, stop=stop, deliver=deliver)
        except RecorderError as error:
            log.error("a report could not be delivered, trying again", delivery=plan.name, error=str(error))  # noqa: TRY400
        except Exception:  # one that cannot be explained holds up neither the others nor the recording
            log.exception("a report could not be delivered", delivery=plan.name)


def _deliver_plan(
    engine: Engine, plan: PlannedDelivery, *, owner: UUID, now: Clock, stop: threading.Event, deliver: Deliver
) -> None:
    cursor = transact(engine, lambda db: deliveries.enrol_delivery(db, plan.name, now=now()))
    due = due_instants(plan, cursor, now())
    claim = partial(deliveries.claim_delivery, name=plan.name, cursor=cursor, owner=owner, now=now())
    if not due or not transact(engine, claim):
        return
    for instant in due:
        if stop.is_set():
            break
        deliver(plan, instant)
        advance = partial(deliveries.advance_delivery, name=plan.name, owner=owner, to=instant, now=now())
        if not transact(engine, advance):
            return
    transact(engine, lambda db: deliveries.release_delivery(db, plan.name, owner=owner))


def find_delivery(settings: Settings, name: str) -> PlannedDelivery:
    """The delivery of this name, whatever the case. Raises UsageError that names those there are."""
    plans = planned_deliveries(settings)
    found = [plan for plan in plans if plan.name.casefold() == name.casefold()]
    if found:
        return found[0]
    names = ", ".join(plan.name for plan in plans)
    there = f"there are {names}" if names else "none is configured: write [reports] weekly or [[deliveries]]"
    raise UsageError(f"no delivery is named {name!r}; {there}")


@contextmanager
def deliver_now(engine: Engine, plan: PlannedDelivery, *, owner: UUID, now: Clock) -> Iterator[datetime]:
    """The instant to deliver for, with the delivery claimed so that no daemon writes it at the same time.

    Its cursor stays where it is: what is due later is still due. Raises UsageError while somebody else is at it.
    """
    instant = now()
    cursor = transact(engine, lambda db: deliveries.enrol_delivery(db, plan.name, now=instant))
    claim = partial(deliveries.claim_delivery, name=plan.name, cursor=cursor, owner=owner, now=instant)
    if not transact(engine, claim):
        raise UsageError(f"a daemon is delivering {plan.name} at this moment: try again when it has written its report")
    try:
        yield instant
    finally:
        transact(engine, lambda db: deliveries.release_delivery(db, plan.name, owner=owner))


def due_instants(plan: PlannedDelivery, cursor: datetime, now: datetime) -> Sequence[datetime]:
    """The instants in (cursor, now], oldest first: no more than are kept, none older than a year."""
    return due_between(plan.cadence, max(cursor, now - LONGEST_ABSENCE), now, limit=_MOST_DUE)[-plan.keep :]
