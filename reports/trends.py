"""Pure: what is said about the timeElapsed of each check on its run locations: change, drift, and what mars it."""

from typing import Any, Final

import numpy as np
import pandas as pd

from reports.frames import LEVEL_DAYS, SERIES, History, numbered, side_by_side
from reports.intervals import ratio
from reports.levels import WEEKS, drifts, level_changes, week_numbers, weekly_levels
from reports.thresholds import DEFAULTS, Thresholds

SLOWER: Final = "slower"
FASTER: Final = "faster"
USUAL: Final = "within usual variation"
FEW_SESSIONS: Final = "not enough sessions"
FEW_WEEKS: Final = "not enough weeks"
MOVED: Final = "run locations changed"
POSSIBLE_DRIFT: Final = "possible drift"
DRIFT: Final = "drift"


def trends(history: History, thresholds: Thresholds = DEFAULTS) -> pd.DataFrame:
    """One row per series (index SERIES) that has daily levels.

    `weekly_ms`: the eight weekly levels, oldest first, NaN where unknown. level_ms and base_ms: this week's and the
    weeks before; change_rate with its 95 % interval (0.1 = 10 % slower); usual_rate: changes up to it are usual;
    p_value, q_value; `verdict`. drift_rate per week with its interval; `drift`: empty, "possible drift", or "drift"
    when the week before would have said so too. excluded_rate, excluded_before_rate: rated sessions left out of the
    sample this week and in the weeks before; `censored`: they differ by more than `censored_share`. `moved`: a series
    that began in the window, at `moved_at`, while the check ran on another set of run locations before.
    """
    last_day = history.window.days[-1]
    weeks = weekly_levels(history.levels, last_day, thresholds)
    shares = _excluded_shares(history.levels.assign(week=week_numbers(history.levels, last_day)))
    weeks = weeks.reindex(shares.index)
    change = level_changes(weeks, thresholds)
    slope, earlier = drifts(weeks, thresholds), drifts(weeks, thresholds, back=1)
    same = np.sign(slope["effect"]).eq(np.sign(earlier["effect"]))
    drifting = slope["announced"] & ~change["announced"]
    moved_at = _moved_at(history, shares.index)
    censored = (shares["now"] - shares["base"]).abs().gt(thresholds.censored_share)
    points = np.exp(weeks[list(range(1, WEEKS))].to_numpy()).tolist()
    return side_by_side(
        {
            "weekly_ms": pd.Series(points, index=weeks.index, dtype="object"),
            "weeks": change["weeks"],
            "level_ms": np.exp(change["level"]),
            "base_ms": np.exp(change["base"]),
            "change_rate": np.expm1(change["effect"]),
            "change_low": np.expm1(change["low"]),
            "change_high": np.expm1(change["high"]),
            "usual_rate": np.expm1(change["usual"]),
            "p_value": change["p_value"],
            "q_value": change["q_value"],
            "verdict": _verdicts(change, moved_at.notna()),
            "drift_rate": np.expm1(slope["effect"]),
            "drift_low": np.expm1(slope["low"]),
            "drift_high": np.expm1(slope["high"]),
            "drift_q_value": slope["q_value"],
            "drift": np.select([drifting & earlier["announced"] & same, drifting], [DRIFT, POSSIBLE_DRIFT], ""),
            "excluded_rate": shares["now"],
            "excluded_before_rate": shares["base"],
            "censored": censored,
            "moved": moved_at.notna(),
            "moved_at": moved_at,
        },
        weeks.index,
    )


def _verdicts(change: pd.DataFrame, moved: "pd.Series[Any]") -> "np.ndarray[Any, Any]":
    up = change["effect"].gt(0)
    untested = change["p_value"].isna()
    cases = [change["announced"] & up, change["announced"], change["level"].isna(), moved & untested, untested]
    return np.select(cases, [SLOWER, FASTER, FEW_SESSIONS, MOVED, FEW_WEEKS], USUAL)


def _excluded_shares(levels: pd.DataFrame) -> pd.DataFrame:
    """Per series: `now` and `base`, the share of rated sessions left out of the sample."""
    recent = levels["week"].eq(WEEKS - 1)
    base = levels["week"].between(1, WEEKS - 2)
    places, series = numbered(levels, SERIES)
    rated, left_out = levels["rated"].to_numpy(), (levels["rated"] - levels["n"]).to_numpy()
    shares = {}
    for name, rows in (("now", recent.to_numpy()), ("base", base.to_numpy())):
        out, of = (np.bincount(places[rows], counts[rows], minlength=len(series)) for counts in (left_out, rated))
        shares[name] = ratio(out, of)
    return pd.DataFrame(shares, index=series)


def _moved_at(history: History, series: "pd.Index[Any]") -> "pd.Series[Any]":
    """When each series began, if that was in the window and its check had run on another set before; else NaT."""
    first = history.levels.groupby(list(SERIES))["first_at"].min()
    if len(history.window.days) > LEVEL_DAYS:
        recent = history.recent_sessions[history.recent_sessions["rated"]]
        first = pd.concat([first, recent.groupby(list(SERIES))["started_at"].min()]).groupby(level=list(SERIES)).min()
    other = first.gt(first.groupby("check_pk").transform("min"))
    moved: pd.Series[Any] = first.where(other & first.ge(history.window.start)).reindex(series)
    return moved
