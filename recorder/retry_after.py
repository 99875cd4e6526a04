"""Pure: how long a server wishes to be left alone (`Retry-After`), and what its own clock says (`Date`)."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_RETRY_AFTER_S: Final = 3600.0


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """A Retry-After header, in seconds or as an HTTP date, as seconds from `now` in 0..3600; None if unreadable.

    `now` is the instant by the clock that wrote the date: the answer's own `Date` header, if it has one.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        date = http_date(value)
        seconds = math.nan if date is None else (date - now).total_seconds()
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def http_date(value: str | None) -> datetime | None:
    """A date as HTTP writes it (RFC 9110, 5.6.7), in UTC; None if there is none or it is unreadable."""
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
