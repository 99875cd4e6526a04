"""Pure: the flakiest first, without letting a pair with few runs lead by luck."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from reports.intervals import Floats, wilson
from reports.thresholds import DEFAULTS, Thresholds

_QUANTILE = 0.05
_LOG_BOUNDS = ((-12.0, 12.0), (-3.0, 14.0))


@dataclass(frozen=True, slots=True)
class Prior:
    """A beta distribution of flake rates: what is expected of a pair before it has run."""

    a: float
    b: float


def flake_floor(events: npt.ArrayLike, n: npt.ArrayLike, thresholds: Thresholds = DEFAULTS) -> Floats:
    """The flake rate that each pair has at least, with 95 % certainty: what the ranking goes by; NaN at n = 0.

    The 5 % quantile of an empirical-Bayes beta-binomial: all pairs together say which rates are usual, and each pair's
    own runs move it away from there. With fewer than `ranking_pairs` pairs, or when no such distribution fits, Wilson's
    lower bound.
    """
    x, total = np.asarray(events, dtype=np.float64), np.asarray(n, dtype=np.float64)
    known = total > 0
    prior = fit_prior(x[known], total[known]) if known.sum() >= thresholds.ranking_pairs else None
    low, _ = wilson(x, total)
    return low if prior is None else np.where(known, posterior_quantile(_QUANTILE, x, total, prior), np.nan)


def fit_prior(x: Floats, n: Floats) -> Prior | None:
    """The beta distribution under which `x` events in `n` runs are likeliest; None when there is no such one.

    Maximum likelihood of the beta-binomial (`scipy.stats.betabinom` less its constant, the binomial coefficient), over
    the logit of the mean and the log of a + b. Without any event, or when the pairs differ by no more than chance, the
    likelihood has no maximum.
    """
    if x.sum() == 0 or (x == n).all():
        return None
    cases, weights = np.unique(np.column_stack([x, n]), axis=0, return_counts=True)
    hits, misses = cases[:, 0], cases[:, 1] - cases[:, 0]

    def cost(point: npt.NDArray[np.float64]) -> float:
        prior = _prior(point)
        likelihood = special.betaln(prior.a + hits, prior.b + misses) - special.betaln(prior.a, prior.b)
        return float(-(weights * likelihood).sum())

    start = np.array([special.logit(x.sum() / n.sum()), np.log(100.0)])
    found = optimize.minimize(cost, start, method="Nelder-Mead", bounds=_LOG_BOUNDS, options={"xatol": 1e-6})
    inside = all(low + 0.01 < value < high - 0.01 for value, (low, high) in zip(found.x, _LOG_BOUNDS, strict=True))
    return _prior(found.x) if found.success and inside else None


def _prior(point: npt.NDArray[np.float64]) -> Prior:
    mean, strength = special.expit(point[0]), np.exp(point[1])
    return Prior(float(mean * strength), float((1 - mean) * strength))


def posterior_quantile(q: float, x: npt.ArrayLike, n: npt.ArrayLike, prior: Prior) -> Floats:
    """Quantile of the rate after `x` events in `n` runs; with a = b = 1/2 an end of Jeffreys' interval."""
    events, total = np.asarray(x, dtype=np.float64), np.asarray(n, dtype=np.float64)
    return np.asarray(special.betaincinv(prior.a + events, prior.b + total - events, q), dtype=np.float64)
