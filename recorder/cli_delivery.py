"""What the daemon calls when reports may be due, and a person at any time: builds, shelves and announces them.

pandas comes when one is written.
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from recorder.cli_common import thresholds_of
from recorder.errors import RecorderError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from recorder.config import Settings
    from recorder.delivering import PlannedDelivery
    from recorder.wiring import Parts

log = structlog.get_logger("recorder.reports")


def check_addresses(settings: "Settings") -> None:
    """Raise ConfigError when somebody is to be told of reports and nobody can be: better now than on Monday."""
    from recorder.delivering import planned_deliveries
    from recorder.notifying import read_addresses

    for plan in planned_deliveries(settings):
        if plan.notify_from is not None:
            read_addresses(plan.notify_from, os.environ, Path.cwd())


def delivery_of(parts: "Parts") -> "Callable[[Settings], None]":
    """Given the settings that hold now, write every report that is due."""
    from recorder.delivering import deliver_due, planned_deliveries

    def deliver(settings: "Settings") -> None:
        deliver_due(
            parts.engine,
            planned_deliveries(settings),
            owner=parts.owner,
            now=parts.now,
            stop=parts.stop,
            deliver=lambda plan, instant: _deliver(parts, settings, plan, instant),
        )

    return deliver


def deliver_by_hand(engine: "Engine", settings: "Settings", name: str) -> tuple[Path, bool, int]:
    """Deliver the newest whole period of a delivery now, and tell its people, also of a report that was there before.

    The folder, whether it was not there before, and how many addresses were told. Raises UsageError for a name that is
    not configured, ConfigError without an address, RecorderError when somebody could not be told.
    """
    from recorder.clock import utc_now
    from recorder.delivering import deliver_now, find_delivery
    from recorder.notifying import read_addresses

    plan = find_delivery(settings, name)
    addresses = () if plan.notify_from is None else read_addresses(plan.notify_from, os.environ, Path.cwd())
    with deliver_now(engine, plan, owner=uuid4(), now=utc_now) as instant:
        folder, is_new = _shelve(engine, settings, plan, instant)
    if addresses:
        _tell(settings, addresses, folder)
    return folder, is_new, len(addresses)


def _deliver(parts: "Parts", settings: "Settings", plan: "PlannedDelivery", instant: datetime) -> None:
    """Write the report that was due at the instant; only one that was not there before is announced."""
    folder, is_new = _shelve(parts.engine, settings, plan, instant)
    if not is_new:
        return
    log.info("report written", delivery=plan.name, folder=str(folder))
    if plan.notify_from is not None:
        _announce(settings, plan.notify_from, folder)


def _shelve(engine: "Engine", settings: "Settings", plan: "PlannedDelivery", instant: datetime) -> tuple[Path, bool]:
    """Build the report that is due at the instant and put it where it belongs, unless it is there."""
    from reports.periods import period_window
    from reports.selection import Selection
    from reports.shelf import shelve
    from reports.weekly import build_report

    window = period_window(plan.period, timezone=settings.reports.timezone, at=instant)
    selection = Selection(plan.schedules, tuple(map(str, plan.check_ids)), plan.checks, plan.match_tags)
    report = build_report(engine, window, thresholds_of(settings), selection)
    return shelve(report, plan.folder, keep=plan.keep)


def _announce(settings: "Settings", variable: str, folder: Path) -> None:
    """Tell people; a failure is one line of the log: the report is written all the same."""
    from recorder.notifying import read_addresses

    try:
        _tell(settings, read_addresses(variable, os.environ, Path.cwd()), folder)
    except RecorderError as error:
        log.error("nobody was told of a report, or not everybody", folder=str(folder), error=str(error))  # noqa: TRY400


def _tell(settings: "Settings", addresses: Sequence[str], folder: Path) -> None:
    """Tell people what the delivered report says, also when the history has changed since."""
    from recorder.notifying import Message, notify
    from reports.shelf import notice_in

    page = folder / "index.html"
    base = settings.reports.published_at
    link = None if base is None else f"{base}{page.relative_to(settings.reports.directory).as_posix()}"
    notice = notice_in(folder, link=link)
    notify(addresses, Message(notice.title, notice.html, page))
