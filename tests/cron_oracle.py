"""An independent reading of cron on a zone's wall clock: every minute is looked at, cronsim is not.

The rule, as the schedule documents it: a local minute is due at the first instant at which the local clock reads it or
later. So this walks the minutes of UTC, remembers how far the local clock has ever got, and calls a minute due when a
matching local minute lies in what has just been reached for the first time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Minutes = NDArray[np.int64]
"""Minutes since 1970-01-01T00:00, of UTC or of a wall clock."""

DAY = 1440
WARM_UP = 2 * DAY
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Clock:
    """What a zone's wall clock read (`local`) at each minute of UTC from `start` on, two days of warm-up before it."""

    start: int
    local: Minutes


def watch_clock(zone: str, start: datetime, end: datetime) -> Clock:
    """Read the wall clock once a minute through [start, end)."""
    first, last = minute_of(start), minute_of(end)
    tz = ZoneInfo(zone)
    seconds = [
        int(datetime.fromtimestamp(minute * 60, tz).utcoffset().total_seconds())  # type: ignore[union-attr]
        for minute in range(first - WARM_UP, last)
    ]
    offsets = np.array(seconds, dtype=np.int64)
    assert not (offsets % 60).any(), f"{zone} has an offset with seconds"
    return Clock(first, np.arange(first - WARM_UP, last, dtype=np.int64) + offsets // 60)


def due_minutes(expression: str, clock: Clock) -> list[int]:
    """The minutes of UTC at which the expression is due on this clock, after the warm-up."""
    lowest, highest = int(clock.local.min()), int(clock.local.max())
    base = lowest // DAY * DAY
    matching = matching_minutes(expression, base // DAY, highest // DAY + 1)
    matched_before = np.concatenate([[0], np.cumsum(matching)])
    reached = np.maximum.accumulate(clock.local)
    matched = matched_before[reached + 1 - base]
    newly = np.flatnonzero(np.diff(matched) > 0) + 1
    return [int(minute) for minute in clock.start - WARM_UP + newly if minute >= clock.start]


def matching_minutes(expression: str, first_day: int, last_day: int) -> NDArray[np.bool_]:
    """Whether a wall clock that shows it matches, for each minute of the days [first_day, last_day) since 1970."""
    minute, hour, month_day, month, weekday = expression.split()
    days = np.arange(first_day, last_day).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    in_month = np.isin(months.astype(np.int64) % 12 + 1, values(month, 1, 12, MONTHS))
    by_date = np.isin((days - months).astype(np.int64) + 1, values(month_day, 1, 31))
    by_weekday = np.isin((days.astype(np.int64) + 4) % 7, [day % 7 for day in values(weekday, 0, 7, WEEKDAYS)])
    either = not month_day.startswith("*") and not weekday.startswith("*")
    day_fits = in_month & (by_date | by_weekday if either else by_date & by_weekday)
    of_day = np.arange(DAY)
    time_fits = np.isin(of_day // 60, values(hour, 0, 23)) & np.isin(of_day % 60, values(minute, 0, 59))
    fits: NDArray[np.bool_] = np.logical_and.outer(day_fits, time_fits).ravel()
    return fits


def values(field: str, low: int, high: int, names: tuple[str, ...] = ()) -> list[int]:
    """What one field of cron stands for: `*`, `3`, `1-5`, `1-9/2`, `*/10`, `7/20`, names, and lists of these."""

    def number(text: str) -> int:
        return names.index(text.upper()) if text.upper() in names else int(text)

    found: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        start, _, stop = span.partition("-")
        if span == "*":
            wanted = range(low, high + 1)
        elif stop:
            wanted = range(number(start), number(stop) + 1)
        else:
            wanted = range(number(start), high + 1 if step else number(start) + 1)
        found.update(wanted[:: int(step or 1)])
    return sorted(found)


def minute_of(instant: datetime) -> int:
    """The minute of UTC that begins at this instant."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(minutes=1)
