"""Pure: the figures of the first screen: this window, the time before it, and eight weekly points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from reports.beginning import part_from
from reports.frames import History, within, within_ordered
from reports.incidents import failed_runs
from reports.levels import WEEKS, week_numbers
from reports.pairs import Pairs
from reports.states import BROKEN, FLAKY
from reports.thresholds import DEFAULTS, Thresholds
from reports.windows import Window, last_days

COUNT = "count"
RATIO = "ratio"
_KINDS = {
    "sessions_rated": COUNT,
    "session_pass_rate": RATIO,
    "first_try_pass_rate": RATIO,
    "sessions_failed": COUNT,
    "checks_run": COUNT,
    "checks_failed": COUNT,
    "incidents": COUNT,
    "results": COUNT,
    "flake_events": COUNT,
    "flake_rate": RATIO,
    "retry_passes": COUNT,
    "missing_results": COUNT,
    "broken_pairs": COUNT,
    "flaky_pairs": COUNT,
}
"""In the order of the page."""
_WEEK_DAYS = 7
_UNKNOWN = (float("nan"),) * (WEEKS - 1)


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One figure; NaN is unknown. `kind` is count or ratio. `weeks`: eight weekly points, the oldest first.

    The last point is the week that ends the window, so for an ISO week it is `now`. `adjusted` and `before_adjusted`:
    `now` and `before` without what a person excluded.
    """

    name: str
    kind: str
    now: float
    before: float
    adjusted: float
    before_adjusted: float
    weeks: Sequence[float] = _UNKNOWN


def key_figures(
    history: History,
    spans: tuple[Pairs, Pairs],
    results: Mapping[int, Mapping[str, float]],
    firsts: "pd.Series[Any]",
    adjusted: tuple[Mapping[str, float], Mapping[str, float]] | None = None,
    *,
    thresholds: Thresholds = DEFAULTS,
) -> list[KeyFigure]:
    """Every key figure, in the order of the page; `before` is NaN when nothing was rated then.

    `spans`: the pairs of the window and of the time before. `results`: `weekly_results`, of the weeks with a rated
    result. `firsts`: `beginning.first_moments`. `adjusted`: `figures_of` both spans of the history without what is
    excluded; None: nothing is.
    """
    begun = _week_begun(history, firsts, thresholds)
    weekly = _weekly(history, begun) | _of_results(begun, results)
    windows = (history.window, history.before)
    of_now, of_before = (figures_of(history, window, pairs) for window, pairs in zip(windows, spans, strict=True))
    now_left, before_left = adjusted or (of_now, of_before)
    return [
        KeyFigure(
            name=name,
            kind=kind,
            now=of_now[name],
            before=of_before[name],
            adjusted=now_left[name],
            before_adjusted=before_left[name],
            weeks=tuple(weekly.get(name, _UNKNOWN)),
        )
        for name, kind in _KINDS.items()
    ]


def figures_of(history: History, window: Window, pairs: Pairs) -> dict[str, float]:
    """The figures of one window by their names; `pairs`: those of the window."""
    sessions = within_ordered(history.recent_sessions, window)
    return _session_figures(sessions, within(history.session_sequence, window)) | _pair_figures(pairs)


def _session_figures(sessions: pd.DataFrame, ordered: pd.DataFrame) -> dict[str, float]:
    """From the sessions themselves: a span may begin or end inside a day. `ordered`: the rated ones, check by check."""
    n, failed = len(ordered), int(ordered["fail"].sum())
    known = n > 0
    return {
        "sessions_rated": n if known else float("nan"),
        "session_pass_rate": (n - failed) / n if known else float("nan"),
        "first_try_pass_rate": _share(sessions["first_try"].sum(), n),
        "sessions_failed": failed if known else float("nan"),
        "checks_run": ordered["check_pk"].nunique() if known else float("nan"),
        "checks_failed": ordered.loc[ordered["fail"], "check_pk"].nunique() if known else float("nan"),
        "incidents": len(failed_runs(ordered, ["check_pk"])) if known else float("nan"),
    }


def _pair_figures(pairs: Pairs) -> dict[str, float]:
    table = pairs.table
    if not table["n"].sum():
        names = ("results", "flake_events", "flake_rate", "retry_passes", "broken_pairs", "flaky_pairs")
        missing = float(table["missing"].sum()) if len(table) else float("nan")
        return dict.fromkeys(names, float("nan")) | {"missing_results": missing}
    return {
        "results": int(table["n"].sum()),
        "flake_events": int(table["flake_events"].sum()),
        "flake_rate": _share(table["flake_events"].sum(), table["n"].sum()),
        "retry_passes": int(table["retry_pass"].sum()),
        "missing_results": int(table["missing"].sum()),
        "broken_pairs": int(table["state"].eq(BROKEN).sum()),
        "flaky_pairs": int(table["state"].eq(FLAKY).sum()),
    }


def _weekly(history: History, begun: int) -> dict[str, list[float]]:
    """Eight points of what the daily counts tell; a week without a rated session is NaN.

    So is one in whose middle the history begins: part of a week would read as a drop. The last one is always told.
    """
    levels = history.levels.assign(week=week_numbers(history.levels, history.window.days[-1]))
    levels = levels[levels["week"].ne(begun) | levels["week"].eq(WEEKS - 1)]
    weeks = levels.groupby("week")[["rated", "failed", "first_try"]].sum().reindex(range(1, WEEKS)).astype("float64")
    by_check = levels.groupby(["week", "check_pk"])["failed"].sum().reset_index()
    ran = by_check.groupby("week")["check_pk"].nunique().reindex(range(1, WEEKS))
    hit = by_check[by_check["failed"].gt(0)].groupby("week")["check_pk"].nunique().reindex(range(1, WEEKS))
    incidents = history.incidents.groupby("week")["incidents"].sum().reindex(range(1, WEEKS)).astype("float64")
    return {
        "incidents": incidents.where(ran.notna()).tolist(),
        "sessions_rated": weeks["rated"].tolist(),
        "session_pass_rate": (1 - weeks["failed"] / weeks["rated"]).tolist(),
        "first_try_pass_rate": (weeks["first_try"] / weeks["rated"]).tolist(),
        "sessions_failed": weeks["failed"].tolist(),
        "checks_run": ran.astype("float64").tolist(),
        "checks_failed": hit.where(ran.isna(), hit.fillna(0)).astype("float64").tolist(),
    }


def _of_results(begun: int, results: Mapping[int, Mapping[str, float]]) -> dict[str, list[float]]:
    """Eight points of what single results tell; a week in whose middle the history begins is unknown, as above."""
    told = {number: week for number, week in results.items() if number != begun or number == WEEKS - 1}
    names = next(iter(results.values()), {})
    return {name: [told.get(number, {}).get(name, float("nan")) for number in range(1, WEEKS)] for name in names}


def _week_begun(history: History, firsts: "pd.Series[Any]", thresholds: Thresholds) -> int:
    """The week in whose middle the history begins; -1 when it begins with a week, or before those looked at."""
    days = last_days(history.window, WEEKS * _WEEK_DAYS)
    days_back = (history.window.days[-1] - firsts.index[0].date()).days if len(firsts) else len(days)
    number = WEEKS - 1 - days_back // _WEEK_DAYS
    if number < 0:
        return -1
    first, last = days[number * _WEEK_DAYS], days[number * _WEEK_DAYS + _WEEK_DAYS - 1]
    span = replace(history.window, start=first.start, end=last.end)
    return -1 if part_from(firsts, span, thresholds) is None else number


def _share(count: float, n: float) -> float:
    return float(np.divide(count, n)) if n else float("nan")
