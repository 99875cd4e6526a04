"""Pure: the small pictures of the page, each with the words that say the same."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SPARK_STEP: Final = 12
SPARK_HEIGHT: Final = 20
STRIP_STEP: Final = 4
STRIP_HEIGHT: Final = 16
STRIP_SHAPES: Final[Mapping[str, tuple[int, int]]] = {
    "PASS": (13, 3),
    "DEGRADED": (10, 6),
    "RETRY": (6, 10),
    "FAIL": (0, 16),
    "VOID": (8, 2),
    "MISSING": (4, 9),
}
"""Of each kind of cell where its shape begins, from the top, and its height; MISSING is drawn hollow."""
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


def spark_path(values: Sequence[float], *, floor: float = 0.0, top: float | None = None) -> str:
    """An SVG path through the values; NaN breaks it, a lone one is a dot.

    From `floor`, by default zero so that noise stays small, to `top`, by default the largest value.
    """
    known = [value for value in values if not math.isnan(value)]
    height = (max(known, default=0.0) if top is None else top) - floor or 1.0
    path = ""
    before: int | None = None
    for place, value in enumerate(values):
        if math.isnan(value):
            before = None
            continue
        y = round((1 - (value - floor) / height) * SPARK_HEIGHT)
        path += f"M{place * SPARK_STEP} {y}h0" if before is None else f"l{SPARK_STEP} {y - before}"
        before = y
    return path


def last_point(values: Sequence[float]) -> tuple[int, int] | None:
    """Where the newest value of a `spark_path` from zero lies; None when it is not known."""
    if not values or math.isnan(values[-1]):
        return None
    top = max(value for value in values if not math.isnan(value)) or 1.0
    return (len(values) - 1) * SPARK_STEP, round((1 - values[-1] / top) * SPARK_HEIGHT)


def strip_path(cells: Sequence[str], kind: str) -> str:
    """An SVG path of the cells of one kind in a strip session by session; neighbours are drawn as one.

    Each kind has a shape of its own, so that a strip can be read without its colours.
    """
    y, height = STRIP_SHAPES[kind]
    path, start = "", None
    for place, cell in enumerate([*cells, ""]):
        if cell == kind and start is None:
            start = place
        elif cell != kind and start is not None:
            width = (place - start) * STRIP_STEP
            path += f"M{start * STRIP_STEP} {y}h{width}v{height}h-{width}z"
            start = None
    return path
