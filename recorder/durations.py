"""Pure: durations as people write them in the configuration, `500ms 3s 5m 1h 7d`."""

import re
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from recorder.wording import quoted

UNITS: Final = MappingProxyType(
    {
        "d": timedelta(days=1),
        "h": timedelta(hours=1),
        "m": timedelta(minutes=1),
        "s": timedelta(seconds=1),
        "ms": timedelta(milliseconds=1),
    }
)
LONGEST: Final = timedelta(days=3660)
WRITTEN: Final = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")


def parse_duration(text: str) -> timedelta:
    """Read one whole number with its unit: `500ms`, `3s`, `5m`, `1h` or `7d`; at most ten years.

    Raises ValueError with a sentence that says how a duration is written.
    """
    written = WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError(f"{quoted(text)} is no duration: write a whole number and a unit, as in 500ms, 3s, 5m, 1h, 7d")
    number, unit = int(written[1]), UNITS[written[2]]
    if number > LONGEST // unit:
        raise ValueError(f"{quoted(text)} is longer than ten years: write at most {format_duration(LONGEST)}")
    return number * unit


def format_duration(duration: timedelta) -> str:
    """The shortest form that `parse_duration` reads back: 90 s is `90s`, 7,200 s is `2h`, nothing is `0s`.

    Raises ValueError when it is negative or no whole number of milliseconds.
    """
    if duration < timedelta(0) or duration % UNITS["ms"]:
        raise ValueError(
            f"{duration!r} cannot be written as a duration: not a whole number of milliseconds from zero up"
        )
    if not duration:
        return "0s"
    unit = next(name for name, length in UNITS.items() if not duration % length)
    return f"{duration // UNITS[unit]}{unit}"
