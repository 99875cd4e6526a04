"""Pure: median and p95 of groups, with intervals that assume no distribution."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from scipy import stats

from reports.frames import Rows

MEDIAN: Final = 0.5
P95: Final = 0.95
_TAIL: Final = 0.025


def interval_ranks(n: int, q: float) -> tuple[int | None, int | None]:
    """Ranks (from 1) of sorted values between which the q-quantile lies with 95 % certainty; None: no such value."""
    low, high = _ranks(np.array([n]), q)
    return int(low[0]) or None, int(high[0]) if high[0] <= n else None


def group_quantiles(samples: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Per group of `by` (the index): n, median_ms and p95_ms (type 7), each with its interval's ends (NaN: open)."""
    ordered = samples.sort_values([*by, value], kind="stable")
    groups = ordered.groupby(list(by))[value]
    table = pd.DataFrame({"n": groups.size(), "median_ms": groups.median(), "p95_ms": groups.quantile(P95)})
    n, values = table["n"].to_numpy(), np.append(ordered[value].to_numpy(dtype=np.float64), np.nan)
    first = np.cumsum(n) - n
    for name, q in (("median", MEDIAN), ("p95", P95)):
        low, high = _ranks(n, q)
        table[f"{name}_low_ms"] = values[np.where(low > 0, first + low - 1, -1)]
        table[f"{name}_high_ms"] = values[np.where(high <= n, first + high - 1, -1)]
    return table


def _ranks(n: Rows, q: float) -> tuple[Rows, Rows]:
    """The ranks for each n; 0, or n + 1, where there is no such value.

    Order statistics: a value below the quantile is one of n coin tosses with chance q (Conover 1999, section 3.2).
    """
    sizes, place = np.unique(n, return_inverse=True)
    low, high = (stats.binom.ppf(tail, sizes, q).astype(np.int64)[place] for tail in (_TAIL, 1 - _TAIL))
    return low, high + 1
