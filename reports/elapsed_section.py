"""Pure: timeElapsed over eight weeks: small pictures of what changed and of the slowest, and a table behind them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from reports import charts, wording
from reports.names import check_name, places_text
from reports.report import Report
from reports.trends import FASTER, FEW_SESSIONS, FEW_WEEKS, MOVED, SLOWER, USUAL
from reports.windows import last_days

PICTURES: Final = 24
OPEN_PICTURES: Final = 12
ROWS: Final = 80
WEEKS: Final = 8
_WEEK_DAYS: Final = 7
_LEAST_WEEKS: Final = 2
"""A lone level is no picture."""
_ORDER: Final = {SLOWER: 0, FASTER: 1}


@dataclass(frozen=True, slots=True)
class Picture:
    """One series: `path` draws its weekly levels from zero, `base` is the height of the level before."""

    name: str
    places: str
    level: str
    verdict: str
    tone: str
    path: str
    dot: tuple[int, int] | None
    base: int | None
    words: str


@dataclass(frozen=True, slots=True)
class ElapsedRow:
    """One series in figures: the window's median and p95, and the weekly levels that its picture draws.

    Behind `n`, `median` and `p95`: without exclusions, each empty if the same.
    """

    name: str
    places: str
    n: str
    n_adjusted: str
    excluded: str
    median: str
    median_adjusted: str
    p95: str
    p95_adjusted: str
    weeks: Sequence[str]
    verdict: str


@dataclass(frozen=True, slots=True)
class ElapsedSection:
    """`moved`: checks whose set of run locations changed inside the window, so that they have several series.

    `compared`: the day with which the seven begin that are compared with the weeks before; empty when those are the
    window.
    """

    pictures: Sequence[Picture]
    more: Sequence[Picture]
    series: int
    rows: Sequence[ElapsedRow]
    hidden: int
    moved: int
    compared: str
    width: int


def elapsed_section(report: Report) -> ElapsedSection:
    """Series with a sample: announced changes first, then the slowest."""
    series = _ordered(report.elapsed[report.elapsed["n"].gt(0)])
    drawn = series[[_known(levels) >= _LEAST_WEEKS for levels in series["weekly_ms"]]]
    pictures = [_picture(row) for row in drawn.head(PICTURES).itertuples()]
    return ElapsedSection(
        pictures=pictures[:OPEN_PICTURES],
        more=pictures[OPEN_PICTURES:],
        series=len(series),
        rows=[_row(row, report.thresholds.min_runs) for row in series.head(ROWS).itertuples()],
        hidden=max(0, len(series) - ROWS),
        moved=int(report.elapsed.groupby("check_id").size().gt(1).sum()),
        compared=_compared(report),
        width=charts.SPARK_STEP * (WEEKS - 1),
    )


def _compared(report: Report) -> str:
    first = last_days(report.window, _WEEK_DAYS)[0]
    return "" if first.start == report.window.start else wording.day(first.start_local.date())


def _ordered(series: pd.DataFrame) -> pd.DataFrame:
    """The largest announced change first, then drifts, then by the median."""
    place = series["verdict"].map(_ORDER).astype("float64").fillna(2.0 + series["drift"].eq(""))
    size = series["change_rate"].abs().where(place.lt(2), series["median_ms"])
    named = series.assign(_place=place, _size=size, _name=series["check_name"].fillna(""))
    order = ["_place", "_size", "_name", "check_id", "run_locations"]
    return named.sort_values(order, ascending=[True, False, True, True, True], ignore_index=True)


def _weekly(levels: object) -> list[float]:
    """The eight weekly levels; a series that is not in the daily counts has none."""
    return list(levels) if isinstance(levels, list) else [math.nan] * WEEKS


def _known(levels: object) -> int:
    return sum(not math.isnan(level) for level in _weekly(levels))


def _picture(row: Any) -> Picture:
    levels = _weekly(row.weekly_ms)
    top = max(level for level in levels if not math.isnan(level))
    base = row.base_ms
    return Picture(
        name=check_name(row.check_name, row.check_id).text,
        places=places_text(row.run_locations),
        level=wording.duration(levels[-1]),
        verdict=_verdict(row),
        tone={SLOWER: "some", FASTER: "good"}.get(row.verdict, "plain"),
        path=charts.spark_path(levels),
        dot=charts.last_point(levels),
        base=None if math.isnan(base) or base > top else round((1 - base / top) * charts.SPARK_HEIGHT),
        words=", ".join(wording.duration(level) for level in levels),
    )


def _row(row: Any, min_runs: int) -> ElapsedRow:
    total = row.n + row.excluded
    n, median, p95 = _sample(row.n, row.median_ms, row.p95_ms, min_runs)
    left = _sample(row.n_adjusted, row.median_ms_adjusted, row.p95_ms_adjusted, min_runs)
    return ElapsedRow(
        name=check_name(row.check_name, row.check_id).text,
        places=places_text(row.run_locations),
        n=n,
        n_adjusted=wording.other(left[0], n),
        excluded=f"{row.excluded:,} of {total:,} ({wording.percent(row.excluded / total, places=1)})",
        median=median,
        median_adjusted=wording.other(left[1], median),
        p95=p95,
        p95_adjusted=wording.other(left[2], p95),
        weeks=[wording.duration(level) for level in _weekly(row.weekly_ms)],
        verdict=_verdict(row),
    )


def _sample(n: int, median_ms: float, p95_ms: float, min_runs: int) -> tuple[str, str, str]:
    """How many sessions were measured, their median and p95."""
    p95 = wording.duration(p95_ms) if n >= min_runs else wording.not_enough(n)
    return f"{n:,}", wording.duration(median_ms), p95


def _verdict(row: Any) -> str:
    """What can be said of the series, never more than passed its gates."""
    parts = [_level_verdict(row)]
    if isinstance(row.drift, str) and row.drift:
        parts.append(f"{row.drift}: {wording.change(row.drift_rate, row.drift_low, row.drift_high)} per week")
    if pd.notna(row.censored) and row.censored:
        before, now = (wording.percent(share, places=1) for share in (row.excluded_before_rate, row.excluded_rate))
        parts.append(f"censored: {now} of its sessions left out, {before} before")
    return "; ".join(parts)


def _level_verdict(row: Any) -> str:
    if row.verdict in {SLOWER, FASTER}:
        return f"{row.verdict}: {wording.change(row.change_rate, row.change_low, row.change_high)}"
    if row.verdict == USUAL:
        return wording.usual_variation(row.usual_rate)
    if row.verdict == FEW_WEEKS:
        return f"not enough weeks (n={row.weeks:.0f})"
    if row.verdict == MOVED:
        return MOVED
    return FEW_SESSIONS
