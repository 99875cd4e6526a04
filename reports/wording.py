"""Pure: how figures are said. Never a rate rounded up to 100 %, never a figure where there is none."""

import math
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

_MOST_PLACES: Final = 6
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = tuple("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
UNKNOWN: Final = "–"  # noqa: RUF001  the typographic dash
"""What stands where nothing is known."""
WITHOUT: Final = "without exclusions"
"""What a figure is called that leaves out what a person excluded; it stands beside the recorded one."""
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000


def percent(share: float, *, places: int = 2) -> str:
    """Such as "98.94 %": cut, never rounded up; what is more than nothing gets the places it needs to show that."""
    if share in {0.0, 1.0}:
        return f"{share * 100:.0f} %"
    while places < _MOST_PLACES and _cut(share * 100, places) == 0:
        places += 1
    step = 10.0**-places
    return f"{min(max(_cut(share * 100, places), step), 100 - step):.{places}f} %"


def _cut(value: float, places: int) -> float:
    """The value without the digits behind `places`; 28.999999999999996 is meant to be 29."""
    scale = 10.0**places
    return math.floor(round(value * scale, 6)) / scale


def _bound(share: float) -> str:
    """An end of an interval, to one place; only a true 0 or 1 reads "0" or "100"."""
    if share in {0.0, 1.0}:
        return f"{share * 100:.0f}"
    places = 1
    while places < _MOST_PLACES and round(share * 100, places) in {0.0, 100.0}:
        places += 1
    return f"{share * 100:.{places}f}"


def rate(count: int, n: int, low: float, high: float) -> str:
    """Such as "98.94 % (657/664), 95 %: 97.8-99.5"."""
    if n == 0:
        return "nothing rated"
    return f"{fraction(count, n)}, 95 %: {_bound(low)}-{_bound(high)}"


def fraction(count: int, n: int) -> str:
    """Such as "98.94 % (657/664)"."""
    return f"{percent(count / n)} ({count:,}/{n:,})" if n else "nothing rated"


def none_of(n: int, high: float, *, what: str = "failed") -> str:
    """Such as "0 of 168 failed (95 %: at most 2.2 %)": what can be said when nothing went wrong."""
    return f"0 of {n:,} {what} (95 %: at most {_bound(high)} %)"


def other(adjusted: str, recorded: str) -> str:
    """A figure without what is excluded, when it reads otherwise than as recorded; else empty: one figure is enough."""
    return "" if adjusted == recorded else adjusted


def pass_rate(ok: int, n: int, low: float, high: float) -> str:
    """A pass rate with its interval; without a failure, what that shows."""
    return none_of(n, 1 - low) if n and ok == n else rate(ok, n, low, high)


def not_enough(n: int) -> str:
    """Such as "not enough runs (n=3)"."""
    return f"not enough runs (n={n})"


def unshared(here: int, onsets: int, expected: float, location: str) -> str:
    """Such as "12 of 14 unshared failures hit us-east-1; 2.3 expected": what the location test found."""
    return f"{here:,} of {plural(onsets, 'unshared failure')} hit {location}; {expected:.1f} expected"


def usual_variation(usual: float) -> str:
    """Such as "within usual variation (+-8 %)"; rounded up, so that no change inside of it reads as outside."""
    return f"within usual variation (+-{math.ceil(usual * 100 - 1e-9)} %)"


def change(share: float, low: float, high: float) -> str:
    """Such as "+22.1 %, 95 %: +19.4 to +24.9 %": a relative change that passed its gate."""
    return f"{share * 100:+.1f} %, 95 %: {low * 100:+.1f} to {high * 100:+.1f} %"


def points(share: float, low: float, high: float) -> str:
    """Such as "+4.2 points, 95 %: +1.1 to +8.0": the difference of two rates that passed its gate."""
    return f"{share * 100:+.1f} points, 95 %: {low * 100:+.1f} to {high * 100:+.1f}"


def day(local: date) -> str:
    """Such as "Thu 12 Nov"."""
    return f"{DAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]}"


def when(instant: datetime | None, zone: ZoneInfo, *, year: int | None = None) -> str:
    """Such as "Tue 10 Nov 09:04" on the clocks of the zone; empty when it is not known.

    `year`: the one that goes without saying, so that another one is said.
    """
    if instant is None or pd.isna(instant):
        return ""
    local = instant.astimezone(zone)
    other = f" {local.year}" if year not in {None, local.year} else ""
    return f"{day(local)}{other} {local:%H:%M}"


def lasting(span: timedelta) -> str:
    """Such as "under a minute", "45 min", "3 h 30 min", "2 d 4 h"."""
    minutes = int(span / timedelta(minutes=1))
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days:,} d {hours} h"
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min" if minutes else "under a minute"


def duration(milliseconds: float) -> str:
    """Such as "842 ms", "1.23 s", "2 min 05 s"; a dash for NaN."""
    if math.isnan(milliseconds):
        return UNKNOWN
    if round(milliseconds) < _SECOND_MS:
        return f"{milliseconds:.0f} ms"
    if milliseconds < _MINUTE_MS - 5:
        return f"{milliseconds / _SECOND_MS:.2f} s"
    minutes, seconds = divmod(round(milliseconds / _SECOND_MS), 60)
    return f"{minutes:,} min {seconds:02} s"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Such as "1 check", "3 checks"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listing(parts: list[str]) -> str:
    """Such as "a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
