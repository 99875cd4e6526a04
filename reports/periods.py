"""Pure: which span a report is about that is due at an instant."""

from datetime import date, datetime
from typing import Final

from reports.windows import Window, find_zone, range_window, week_window

PERIODS: Final = ("weekly", "monthly")


def period_window(period: str, *, timezone: str, at: datetime) -> Window:
    """The newest whole week or month that had ended at `at` on the clocks of the zone; labels 2026-W47 and 2026-10.

    Raises UsageError for a zone that does not exist, ValueError for another period.
    """
    if period == "weekly":
        return week_window("last", timezone=timezone, now=at)
    if period != "monthly":
        raise ValueError(f"a period is one of {', '.join(PERIODS)}")
    end = at.astimezone(find_zone(timezone)).date().replace(day=1)
    start = date(end.year - 1, 12, 1) if end.month == 1 else end.replace(month=end.month - 1)
    month = range_window(start.isoformat(), end.isoformat(), timezone=timezone)
    return Window(month.start, month.end, month.zone, label=f"{start:%Y-%m}")
