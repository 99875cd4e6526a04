"""Pure: confidence intervals of a proportion, over whole columns at once."""

from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

Z_95: Final = NormalDist().inv_cdf(0.975)

Floats = npt.NDArray[np.float64]


def ratio(count: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    """`count / n` element by element; NaN, never 0 or 1, where n is 0."""
    total = np.asarray(n, dtype=np.float64)
    return np.asarray(count, dtype=np.float64) / np.where(total > 0, total, np.nan)


def wilson(count: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Wilson's 95 % score interval (low, high) of `count` successes in `n` independent trials; NaN where n is 0.

    Wilson (1927), without continuity correction. The ends are exactly 0 for no success and exactly 1 for no failure.
    """
    successes = np.asarray(count, dtype=np.float64)
    total = np.where(np.asarray(n) > 0, np.asarray(n, dtype=np.float64), np.nan)
    share, z2 = successes / total, Z_95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    reach = Z_95 / (1 + z2 / total) * np.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    low = np.where(successes == 0, np.where(np.isnan(total), np.nan, 0.0), centre - reach)
    high = np.where(successes == total, 1.0, centre + reach)
    return low, high
