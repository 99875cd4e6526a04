"""Pure: the small pictures of the page, each with the words that say the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SPARK_STEP: Final = 12
SPARK_HEIGHT: Final = 20
_HALF: Final = 0.5
_HEAT_LIMITS: Final = (0.0, 0.01, 0.05, 0.10)


@dataclass(frozen=True, slots=True)
class Square:
    """One day of a strip: its text and its class (empty = fine, `a` some failed, `b` half or more, `n` no run)."""

    text: str
    css: str


def square(rated: int, failed: int) -> Square:
    """A day's failed sessions; a day without a run is a dot, never a success."""
    if rated == 0:
        return Square("·", "n")
    if failed == 0:
        return Square("0", "")
    return Square(str(failed), "b" if failed / rated >= _HALF else "a")


def heat_level(share: float) -> int:
    """0 for none, 1 below 1 %, 2 below 5 %, 3 below 10 %, 4 from there."""
    return sum(share > limit if limit == 0 else share >= limit for limit in _HEAT_LIMITS)


def spark_path(values: Sequence[float]) -> str:
    """An SVG path through the values, from zero so that noise stays small; NaN breaks it, a lone one is a dot."""
    top = max((value for value in values if not math.isnan(value)), default=0.0) or 1.0
    path = ""
    before: int | None = None
    for place, value in enumerate(values):
        if math.isnan(value):
            before = None
            continue
        y = round((1 - value / top) * SPARK_HEIGHT)
        path += f"M{place * SPARK_STEP} {y}h0" if before is None else f"l{SPARK_STEP} {y - before}"
        before = y
    return path
