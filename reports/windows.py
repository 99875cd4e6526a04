"""Pure: the half-open window of a report, cut at local midnights of an IANA zone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from recorder.errors import UsageError

_LOOKED_BACK: Final = timedelta(days=100)
"""More than what any measure looks back on before the window and the time before it."""
_ANY_OFFSET: Final = timedelta(days=1)
_WEEK: Final = re.compile(r"(\d{4})-?W(\d{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Window:
    """`[start, end)` in UTC; `label` names the report's folder ("2026-W47", "2026-11-01..2026-11-08")."""

    start: datetime
    end: datetime
    zone: ZoneInfo
    label: str

    @property
    def hours(self) -> float:
        """Length in hours: a week of Europe/Berlin has 167, 168 or 169."""
        return (self.end - self.start) / timedelta(hours=1)

    @property
    def start_local(self) -> datetime:
        """The first instant on the clocks of the zone."""
        return self.start.astimezone(self.zone)

    @property
    def end_local(self) -> datetime:
        """The first instant that is no longer in the window, on the clocks of the zone."""
        return self.end.astimezone(self.zone)

    @property
    def days(self) -> Sequence[date]:
        """Every local day that the window touches, in order."""
        first = self.start_local.date()
        last = (self.end - timedelta(milliseconds=1)).astimezone(self.zone).date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def window_before(window: Window) -> Window:
    """The same number of local days right before: last week's figures beside this week's."""
    days = timedelta(days=len(window.days))
    start, end = window.start_local - days, window.start_local
    return Window(start.astimezone(UTC), end.astimezone(UTC), window.zone, label=f"before {window.label}")


def last_days(window: Window, count: int) -> Sequence[Window]:
    """The last `count` local days up to the window's end, oldest first, each a window of its own."""
    last = window.days[-1]
    dates = [last - timedelta(days=back) for back in range(count - 1, -1, -1)]
    spans = [_window(day, day + timedelta(days=1), window.zone, label=day.isoformat()) for day in dates]
    return [*spans[:-1], Window(spans[-1].start, min(spans[-1].end, window.end), window.zone, spans[-1].label)]


def week_window(week: str, *, timezone: str, now: datetime) -> Window:
    """The ISO week "2026-W47", or "last": the newest week that had ended at `now` on the clocks of the zone.

    Raises UsageError for a week or a zone that does not exist.
    """
    zone = find_zone(timezone)
    monday = _monday(week, today=now.astimezone(zone).date())
    year, number, _ = monday.isocalendar()
    if monday.year in {MINYEAR, MAXYEAR}:
        raise UsageError(f"the week {week} lies outside the years that can be computed with")
    return _window(monday, monday + timedelta(days=7), zone, label=f"{year:04}-W{number:02}")


def range_window(start: str, end: str, *, timezone: str) -> Window:
    """From `start` to the exclusive `end`: ISO dates or datetimes, in the zone unless they carry an offset.

    A local time that a clock change skips is read as if the clocks had not changed yet (02:30 is 03:30), one that comes
    twice is its first occurrence. Raises UsageError when one of the two is unreadable or the window would be empty.
    """
    zone = find_zone(timezone)
    first, last = _moment(start, "--from"), _moment(end, "--to")
    window = _window(first, last, zone, label=f"{_label(first)}..{_label(last)}")
    if window.start >= window.end:
        raise UsageError(f"the window is empty: {start} does not lie before {end} (--to is exclusive)")
    return window


def find_zone(timezone: str) -> ZoneInfo:
    """The IANA zone of this name. Raises UsageError when there is none."""
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of zones, as "Europe"
        raise UsageError(f"unknown time zone {timezone!r}: give an IANA name such as Europe/Berlin") from None


def _monday(week: str, *, today: date) -> date:
    if week == "last":
        return today - timedelta(days=today.weekday() + 7)
    match = _WEEK.fullmatch(week)
    try:
        if match is None:
            raise ValueError(week)
        return date.fromisocalendar(int(match[1]), int(match[2]), 1)
    except ValueError:
        raise UsageError(f"no such ISO week: {week!r}; give one as 2026-W47, or last") from None


def _moment(value: str, option: str) -> date | datetime:
    """A date stays a date, so that the label and midnight's meaning come from what was typed."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise UsageError(
            f"{option} {value!r} is neither an ISO date (2026-11-01) nor a time (2026-11-01T06:30)"
        ) from None


def _window(start: date | datetime, end: date | datetime, zone: ZoneInfo, *, label: str) -> Window:
    try:
        window = Window(_utc(start, zone), _utc(end, zone), zone, label)
        _ = window.start - (window.end - window.start) - _LOOKED_BACK, window.end + _ANY_OFFSET
    except OverflowError:
        raise UsageError(f"the window {label} lies outside the years that can be computed with") from None
    return window


def _utc(moment: date | datetime, zone: ZoneInfo) -> datetime:
    """In milliseconds, as the tables hold times."""
    instant = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
    whole = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    return (whole if whole.tzinfo is not None else whole.replace(tzinfo=zone)).astimezone(UTC)


def _label(moment: date | datetime) -> str:
    """A name for a folder on every file system: no colon."""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    offset = moment.strftime("%z")
    clock = moment.strftime("%H%M%S" if moment.second else "%H%M")
    return f"{moment.date().isoformat()}T{clock}{'Z' if offset == '+0000' else offset}"
