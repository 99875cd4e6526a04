"""Pure: has a check become slower or faster? Weekly levels of timeElapsed, their change and their drift.

Moderated t as in Smyth (2004), "Linear models and empirical Bayes methods for assessing differential expression": each
check's few weeks say little about its own variance, so it borrows from the variances of all checks.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special, stats

from reports.frames import SERIES
from reports.intervals import Floats
from reports.location_test import adjusted
from reports.thresholds import DEFAULTS, Thresholds

WEEKS: Final = 9
"""Weekly levels that are looked at: this one, seven to compare with, and one more for the report before."""
_BASE: Final = (4, 7)
_DRIFT_WEEKS: Final = 8
_LEAST_VARIANCE: Final = 1e-8
_TRIGAMMA_RANGE: Final = (1e-6, 1e10)


@dataclass(frozen=True, slots=True)
class VariancePrior:
    """The variance that checks have in common, `s0_sq`, worth `d0` degrees of freedom (infinite: all have the same)."""

    d0: float
    s0_sq: float


NO_PRIOR: Final = VariancePrior(0.0, 1.0)
"""Each check's own variance alone: the plain t-test."""


def weekly_levels(levels: pd.DataFrame, last_day: date, thresholds: Thresholds = DEFAULTS) -> pd.DataFrame:
    """Level of each series (index SERIES) in each of WEEKS weeks of seven local days, the last one ending `last_day`.

    A day's level is the log of its median (at least `level_day_sessions` sessions), a week's the mean of at least
    `level_week_days` of them; NaN without. Columns: 0 (oldest) to WEEKS - 1.
    """
    enough = levels["n"].ge(thresholds.level_day_sessions) & levels["median_ms"].gt(0)
    days = levels[enough].assign(level=np.log(levels.loc[enough, "median_ms"]))
    days = days.assign(week=week_numbers(days, last_day))
    weeks = days.groupby([*SERIES, "week"])["level"]
    known = weeks.mean().where(weeks.size().ge(thresholds.level_week_days))
    table = known.unstack("week").reindex(columns=range(WEEKS))  # noqa: PD010  a Series has no pivot_table
    return table.astype("float64").dropna(how="all")


def week_numbers(levels: pd.DataFrame, last_day: date) -> "pd.Series[int]":
    """The week of each row by its `day`: WEEKS - 1 for the seven days up to `last_day`."""
    days_back: pd.Series[int] = (pd.Timestamp(last_day) - levels["day"]).dt.days
    return WEEKS - 1 - days_back // 7


def level_changes(weeks: pd.DataFrame, thresholds: Thresholds = DEFAULTS) -> pd.DataFrame:
    """This week's level against the mean of the 4 to 7 levels of the weeks before, per series (the index).

    Columns: weeks (k), level, base (logs), effect, p_value, q_value, low, high (95 % interval of the effect), usual
    (the half width within which a change is usual variation), announced. e = y - mean(base), s2 = var(base, ddof 1) on
    k - 1 degrees, moderated over the series of the same k; t = e / (s sqrt(1 + 1/k)).
    """
    now, base = weeks[WEEKS - 1], weeks[list(range(WEEKS - 1 - _BASE[1], WEEKS - 1))]
    k = base.notna().sum(axis=1)
    tested = now.notna() & k.ge(_BASE[0])
    found = [
        _tested(
            effect=(now - base.mean(axis=1))[tested & k.eq(size)],
            s2=base.var(axis=1, ddof=1)[tested & k.eq(size)],
            df=size - 1,
            spread=1 + 1 / size,
            thresholds=thresholds,
        )
        for size in range(_BASE[0], _BASE[1] + 1)
    ]
    table = pd.concat(found).reindex(weeks.index)
    table = table.assign(weeks=k, level=now, base=base.mean(axis=1))
    return _announced(table, table["effect"], thresholds)


def drifts(weeks: pd.DataFrame, thresholds: Thresholds = DEFAULTS, *, back: int = 0) -> pd.DataFrame:
    """The slope of a straight line through eight weekly levels that end `back` weeks before this one.

    Columns as in `level_changes`; effect, low and high are per week (logs). s2 is the variance around the line on 6
    degrees; a drift is announced when it adds up to `level_change` or more over the eight weeks.
    """
    last = WEEKS - back
    part = weeks[list(range(last - _DRIFT_WEEKS, last))].dropna()
    x = np.arange(_DRIFT_WEEKS) - (_DRIFT_WEEKS - 1) / 2
    sxx = float((x**2).sum())
    y = part.to_numpy()
    slope = y @ x / sxx
    rest = y - y.mean(axis=1, keepdims=True) - np.outer(slope, x)
    df = _DRIFT_WEEKS - 2
    table = _tested(
        effect=pd.Series(slope, index=part.index, dtype="float64"),
        s2=pd.Series((rest**2).sum(axis=1) / df, index=part.index, dtype="float64"),
        df=df,
        spread=1 / sxx,
        thresholds=thresholds,
    ).reindex(weeks.index)
    return _announced(table, table["effect"] * (_DRIFT_WEEKS - 1), thresholds)


def _tested(
    *, effect: "pd.Series[float]", s2: "pd.Series[float]", df: int, spread: float, thresholds: Thresholds
) -> pd.DataFrame:
    """Moderated t of each effect, whose variance is s2 x spread; plain t for fewer than `pooled_checks` checks."""
    floored = np.maximum(s2.to_numpy(dtype=np.float64), _LEAST_VARIANCE)
    checks = effect.index.get_level_values(SERIES[0]).nunique()
    prior = fit_variance_prior(floored, df) if checks >= thresholds.pooled_checks else NO_PRIOR
    error = np.sqrt(moderated(floored, df, prior) * spread)
    degrees = df + prior.d0
    reach = stats.t.ppf(0.975, degrees) * error
    t = effect.to_numpy() / error
    return pd.DataFrame(
        {
            "effect": effect,
            "p_value": 2 * stats.t.sf(np.abs(t), degrees),
            "low": effect - reach,
            "high": effect + reach,
            "usual": reach,
        },
        index=effect.index,
    )


def _announced(table: pd.DataFrame, change: "pd.Series[float]", thresholds: Thresholds) -> pd.DataFrame:
    """Benjamini-Hochberg over all series, and a change that is large enough to matter."""
    q_value = adjusted(table["p_value"])
    large = np.abs(np.expm1(change)) >= thresholds.level_change
    return table.assign(q_value=q_value, announced=q_value.le(thresholds.false_discovery_rate) & large)


def fit_variance_prior(s2: Floats, df: int) -> VariancePrior:
    """Smyth's prior from the variances of many checks on `df` degrees each: mean and variance of their logs matched.

    The variances are put in order, so that the sums do not depend on that of the rows to the last bit.
    """
    e = np.log(np.sort(s2)) - special.digamma(df / 2) + np.log(df / 2)
    excess = float(np.var(e, ddof=1) - special.polygamma(1, df / 2))
    if excess <= 0:
        return VariancePrior(float("inf"), float(np.exp(e.mean())))
    d0 = 2 * inverse_trigamma(excess)
    return VariancePrior(d0, float(np.exp(e.mean() + special.digamma(d0 / 2) - np.log(d0 / 2))))


def inverse_trigamma(value: float) -> float:
    """X with trigamma(x) = value > 0; the ends of the range where it would lie beyond them."""
    low, high = _TRIGAMMA_RANGE
    if not special.polygamma(1, high) < value < special.polygamma(1, low):
        return high if value <= special.polygamma(1, high) else low
    return float(optimize.brentq(lambda x: float(special.polygamma(1, x)) - value, low, high, xtol=1e-12))


def moderated(s2: npt.ArrayLike, df: int, prior: VariancePrior) -> Floats:
    """Each variance drawn towards the common one: (d0 s0^2 + df s2) / (d0 + df)."""
    own = np.asarray(s2, dtype=np.float64)
    if np.isinf(prior.d0):
        return np.full_like(own, prior.s0_sq)
    return np.asarray((prior.d0 * prior.s0_sq + df * own) / (prior.d0 + df), dtype=np.float64)
