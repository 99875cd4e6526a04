"""The only place that reads the machine's clocks; everything else takes a `Clock` as an argument."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Returns the present instant as an aware UTC datetime."""

Monotonic: TypeAlias = Callable[[], float]
"""Returns seconds on a clock that never goes back; only differences mean anything."""


def utc_now() -> datetime:
    """The wall clock, aware and in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on the monotonic clock."""
    return time.monotonic()


def floor_to_ms(instant: datetime) -> datetime:
    """The instant in UTC without the digits below a millisecond, which no table keeps.

    Raises ValueError for a naive datetime.
    """
    if instant.tzinfo is UTC and instant.microsecond % 1000 == 0:  # as nearly all of them
        return instant
    if instant.tzinfo is None:
        raise ValueError(f"naive datetime {instant.isoformat()}: give it a time zone")
    utc = instant.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
