"""Pure: is a run location worse than its siblings? An exact test over the onsets of failures that were not shared."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from reports.events import is_in_event
from reports.frames import PAIR, begins_group
from reports.thresholds import DEFAULTS, Thresholds

ONSETS: Final = ("onsets", "onsets_here", "onsets_expected", "onsets_p_value", "onsets_q_value")


def compare_locations(
    pairs: pd.MultiIndex,
    sequence: pd.DataFrame,
    events: pd.DataFrame,
    thresholds: Thresholds = DEFAULTS,
    previous: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Per PAIR (the index, `pairs`): ONSETS and `worse`, whether the location fails more often than its siblings.

    `sequence`: `frames.sequences` of the results of these pairs; `previous`: `frames.last_before` of its beginning, so
    that an outage that began earlier has no onset in it. None: nothing is older.

    The locations of a session are a matched set. Of m locations at risk in a session k had a first-try failure (a FAIL,
    or any failed try): each is equally likely to be hit, with p = k/m. A location whose result before failed is not at
    risk: an outage counts once, when it begins. Over the sessions with 0 < k < m the hits of one location are
    Poisson-binomial; `onsets_p_value` = P(X >= onsets_here), exact; NaN without an unshared onset. `onsets_q_value` is
    Benjamini-Hochberg's over the pairs with `location_onsets` unshared onsets or more. Results of fleet and location
    events are left out.
    """
    risk = _at_risk(sequence, events, previous)
    session = risk.groupby("position")["hit"]
    m, k = session.transform("size"), session.transform("sum")
    unshared = risk[k.gt(0) & k.lt(m)].assign(p=(k / m))
    groups = unshared.groupby(list(PAIR))
    hits = {"onsets": groups.size(), "onsets_here": groups["hit"].sum(), "onsets_expected": groups["p"].sum()}
    counts = pd.DataFrame(hits)
    table = counts.reindex(pairs, fill_value=0)
    by_pair = np.split(unshared["p"].to_numpy(), np.cumsum(counts["onsets"].to_numpy())[:-1])
    tails = upper_tails(by_pair, counts["onsets_here"])
    p_value = pd.Series(tails, index=counts.index).reindex(pairs)
    q_value = adjusted(p_value.where(table["onsets"].ge(thresholds.location_onsets)))
    return table.assign(
        onsets_here=table["onsets_here"].astype("int64"),
        onsets_p_value=p_value,
        onsets_q_value=q_value,
        worse=q_value.le(thresholds.false_discovery_rate),
    )


def _at_risk(sequence: pd.DataFrame, events: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    """The rated results whose predecessor at the same pair had no first-try failure: PAIR, position, hit.

    Of sessions with a hit alone: the others tell nothing.
    """
    hit = sequence["fail"].to_numpy(dtype=bool) | sequence["attempts"].gt(0).to_numpy()
    at_risk = np.ones(len(hit), dtype=bool)
    begins = begins_group(sequence, PAIR)
    at_risk[1:] = begins[1:] | ~hit[:-1]
    if previous is not None:
        hit_before = previous.index[previous["failed"] | previous["attempts"].gt(0)]
        at_risk[begins] = ~pd.MultiIndex.from_frame(sequence.loc[begins, list(PAIR)]).isin(hit_before)
    position = sequence["position"].to_numpy()
    sessions = np.zeros(position.max(initial=0) + 1, dtype=bool)
    sessions[position[at_risk & hit]] = True
    kept = at_risk & sessions[position]
    risk = sequence.loc[kept, [*PAIR, "position", "fire_pk"]].assign(hit=hit[kept])
    chosen: pd.DataFrame = risk[~is_in_event(risk, events)].drop(columns="fire_pk")
    return chosen


def upper_tails(chances: list[npt.NDArray[np.float64]], hits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """P(X >= hits) of each Poisson-binomial X, a sum of independent trials with these chances; exact.

    A convolution, trial by trial over all cases at once. The state is how many hits are still wanted, so nothing is
    subtracted and small tails keep their digits. Those with most trials stand first: each case ends with its own.
    """
    wanted = np.asarray(hits, dtype=np.int64)
    if not len(wanted):
        return np.empty(0)
    lengths = np.array([len(one) for one in chances])
    order = np.argsort(-lengths, kind="stable")
    running = len(lengths) - np.searchsorted(np.sort(lengths), np.arange(lengths.max()), side="right")
    table = np.zeros((len(wanted), int(lengths.max())))
    for row, case in enumerate(order):
        table[row, : lengths[case]] = chances[case]
    state = np.zeros((len(wanted), int(wanted.max()) + 1))
    state[np.arange(len(wanted)), wanted[order]] = 1.0
    for trial, rows in enumerate(running):
        moved = state[:rows, 1:] * table[:rows, [trial]]
        state[:rows, 1:] -= moved
        state[:rows, :-1] += moved
    tails = np.empty(len(wanted))
    tails[order] = state[:, 0]
    return tails


def adjusted(p_values: "pd.Series[float]") -> "pd.Series[float]":
    """Benjamini-Hochberg's adjusted p-values of those that are known, NaN for the others."""
    known = p_values.dropna()
    if known.empty:
        return p_values.astype("float64")
    return pd.Series(stats.false_discovery_control(known), index=known.index).reindex(p_values.index)
