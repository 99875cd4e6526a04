"""Pure: median and p95 of groups, with intervals that assume no distribution."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from scipy import stats

from reports.intervals import Floats

MEDIAN: Final = 0.5
P95: Final = 0.95
_TAIL: Final = 0.025


def interval_ranks(n: int, q: float) -> tuple[int | None, int | None]:
    """Ranks (from 1) of the sorted values between which the q-quantile lies with 95 % certainty; None: no such value.

    Order statistics: a value below the quantile is one of n coin tosses with chance q (Conover 1999, section 3.2).
    """
    low, high = stats.binom.ppf([_TAIL, 1 - _TAIL], n, q)
    return int(low) or None, int(high) + 1 if high < n else None


def group_quantiles(samples: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Per group of `by` (the index): n, median_ms and p95_ms (type 7), each with its interval's ends (NaN: open)."""
    groups = samples.sort_values([*by, value], kind="stable").groupby(list(by))[value]
    table = pd.DataFrame({"n": groups.size(), "median_ms": groups.median(), "p95_ms": groups.quantile(P95)})
    ordered = [group.to_numpy(dtype=np.float64) for _, group in groups]
    for name, q in (("median", MEDIAN), ("p95", P95)):
        ends = [_ends(values, q) for values in ordered]
        table[f"{name}_low_ms"] = [low for low, _ in ends]
        table[f"{name}_high_ms"] = [high for _, high in ends]
    return table


def _ends(values: Floats, q: float) -> tuple[float, float]:
    low, high = interval_ranks(len(values), q)
    return (
        float(values[low - 1]) if low is not None else float("nan"),
        float(values[high - 1]) if high is not None else float("nan"),
    )
