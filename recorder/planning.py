"""Pure but for the clock: what the configured schedules will do next."""

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from recorder.clock import Clock, utc_now
from recorder.config import ScheduleSettings
from recorder.schedule import next_due
from recorder.wiring import planned


def upcoming(schedules: Iterable[ScheduleSettings], *, count: int, now: Clock = utc_now) -> list[dict[str, Any]]:
    """The next `count` due instants of each schedule, with the request that would be sent then."""
    rows: list[dict[str, Any]] = []
    for schedule in schedules:
        at = now()
        body = planned(schedule).target.request_body().decode()
        for _ in range(count):
            at = next_due(schedule.cadence, at)
            local = at.astimezone(ZoneInfo(schedule.timezone))
            rows.append(
                {
                    "schedule_name": schedule.name,
                    "due_at": at,
                    "local_time": local.strftime("%a %Y-%m-%d %H:%M:%S %Z"),
                    "request_body": body,
                }
            )
    return rows
