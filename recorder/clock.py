"""The only place that reads the machine's clocks; everything else takes a `Clock` as an argument."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias

_MONOTONIC: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Clock: TypeAlias = Callable[[], datetime]
"""Returns the present instant as an aware UTC datetime."""

Monotonic: TypeAlias = Callable[[], float]
"""Returns seconds on a clock that never goes back; only differences mean anything."""


def utc_now() -> datetime:
    """The wall clock, aware and in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on the monotonic clock, those included in which the machine was suspended, where the system counts them.

    Source: clock_gettime(2) of Linux, whose CLOCK_MONOTONIC stands still in a suspend.
    """
    return time.clock_gettime(_MONOTONIC)


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
