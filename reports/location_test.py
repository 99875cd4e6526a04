"""Pure: is a run location worse than its siblings? An exact test over the onsets of failures that were not shared."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from reports.events import is_in_event
from reports.frames import PAIR, sequences, slots
from reports.thresholds import DEFAULTS, Thresholds

ONSETS: Final = ("onsets", "onsets_here", "onsets_expected", "onsets_p_value", "onsets_q_value")


def compare_locations(results: pd.DataFrame, events: pd.DataFrame, thresholds: Thresholds = DEFAULTS) -> pd.DataFrame:
    """Per PAIR (the index): ONSETS and `worse`, whether the location fails more often than its siblings.

    The locations of a session are a matched set. Of m locations at risk in a session k had a first-try failure (a FAIL,
    or any failed try): each is equally likely to be hit, with p = k/m. A location whose result before failed is not at
    risk: an outage counts once, when it begins. Over the sessions with 0 < k < m the hits of one location are
    Poisson-binomial; `onsets_p_value` = P(X >= onsets_here), exact; NaN without an unshared onset. `onsets_q_value` is
    Benjamini-Hochberg's over the pairs with `location_onsets` unshared onsets or more. Results of fleet and location
    events are left out.
    """
    risk = _at_risk(results, events)
    session = risk.groupby("position")["hit"]
    m, k = session.transform("size"), session.transform("sum")
    unshared = risk[k.gt(0) & k.lt(m)].assign(p=(k / m))
    counts = unshared.groupby(list(PAIR)).agg(
        onsets=("hit", "size"), onsets_here=("hit", "sum"), onsets_expected=("p", "sum")
    )
    pairs = pd.MultiIndex.from_frame(results[list(PAIR)].drop_duplicates().sort_values(list(PAIR)))
    table = counts.reindex(pairs, fill_value=0)
    tails = upper_tails([group.to_numpy() for _, group in unshared.groupby(list(PAIR))["p"]], counts["onsets_here"])
    p_value = pd.Series(tails, index=counts.index).reindex(pairs)
    q_value = adjusted(p_value.where(table["onsets"].ge(thresholds.location_onsets)))
    return table.assign(
        onsets_here=table["onsets_here"].astype("int64"),
        onsets_p_value=p_value,
        onsets_q_value=q_value,
        worse=q_value.le(thresholds.false_discovery_rate),
    )


def _at_risk(results: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """The rated results whose predecessor at the same pair had no first-try failure: PAIR, position, hit."""
    sequence = sequences(results)
    sequence = sequence.assign(hit=sequence["fail"] | sequence["attempts"].gt(0))
    same = np.diff(slots(sequence, *PAIR), prepend=-1) == 0
    begun = same & sequence["hit"].shift(fill_value=False)
    kept = sequence[~begun]
    chosen: pd.DataFrame = kept.loc[~is_in_event(kept, events), [*PAIR, "position", "hit"]]
    return chosen


def upper_tails(chances: list[npt.NDArray[np.float64]], hits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """P(X >= hits) of each Poisson-binomial X, a sum of independent trials with these chances; exact.

    A convolution, trial by trial over all cases at once. The state is how many hits are still wanted, so nothing is
    subtracted and small tails keep their digits.
    """
    wanted = np.asarray(hits, dtype=np.int64)
    if not len(wanted):
        return np.empty(0)
    longest = max(len(one) for one in chances)
    table = np.zeros((len(wanted), longest))
    for row, one in enumerate(chances):
        table[row, : len(one)] = one
    state = np.zeros((len(wanted), int(wanted.max()) + 1))
    state[np.arange(len(wanted)), wanted] = 1.0
    for trial in range(longest):
        p = table[:, [trial]]
        moved = state[:, 1:] * p
        state[:, 1:] -= moved
        state[:, :-1] += moved
    return state[:, 0]


def adjusted(p_values: "pd.Series[float]") -> "pd.Series[float]":
    """Benjamini-Hochberg's adjusted p-values of those that are known, NaN for the others."""
    known = p_values.dropna()
    if known.empty:
        return p_values.astype("float64")
    return pd.Series(stats.false_discovery_control(known), index=known.index).reindex(p_values.index)
