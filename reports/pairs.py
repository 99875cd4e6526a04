"""Pure: everything that is measured per (check, run location), for the window and for the time before it."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from recorder.outcomes import Outcome
from reports.flakiness import classify_failures, with_flakes, with_flakiness
from reports.frames import MISSING, PAIR, History, begins_group, chosen, last_before, pairs_of, within, within_ordered
from reports.location_test import compare_locations
from reports.pass_rate import with_rates
from reports.ranking import flake_floor
from reports.states import FLAKY, pair_states
from reports.thresholds import Thresholds
from reports.windows import Window, last_days

_OK = (Outcome.PASS, Outcome.DEGRADED)
_LEAST_MOVES = 2
LOCATION_DAYS = 28
"""The location test looks at this many days up to the window's end."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """`table` (index PAIR): counts, flake_events, flake_rate, state. `sequence`: their `frames.sequences`.

    `failures`: one row per FAIL (`classify_failures`).
    """

    table: pd.DataFrame
    sequence: pd.DataFrame
    failures: pd.DataFrame


def measure_pairs(
    history: History, window: Window, counted: pd.DataFrame, events: pd.DataFrame, thresholds: Thresholds
) -> Pairs:
    """The pairs that should have run in the window, which lies inside of `history.recent`.

    `counted`: `count_results` by PAIR of the results in the window.
    """
    results, rated = within_ordered(history.recent, window), within(history.sequence, window)
    failures = classify_failures(rated, last_before(history.sequence, window.start), events, thresholds)
    flaky = with_flakes(counted, failures)
    retried = results[results["outcome"].isin(_OK) & results["attempts"].gt(0)]
    columns = [*PAIR, "started_at"]
    flakes = pd.concat([failures.loc[failures["flake"], columns], retried[columns]], ignore_index=True)
    begun = history.pair_beginnings["first_failed_at"]
    states = pair_states(history.sequence, flaky, flakes, window, thresholds, begun=begun)
    return Pairs(flaky.assign(**states), rated, failures)


def describe_pairs(pairs: Pairs, thresholds: Thresholds) -> pd.DataFrame:
    """The table of the pairs with the rates, their intervals, and how each pair fails."""
    return with_flakiness(with_rates(pairs.table), pairs.sequence, pairs.failures, thresholds)


def compare_pairs(
    spans: tuple[Pairs, Pairs], history: History, events: pd.DataFrame, thresholds: Thresholds
) -> pd.DataFrame:
    """The pairs of the window with all that takes more than the window to know (index PAIR).

    `spans`: the pairs of the window and those of the time before. Further columns:
    round_robin, retries_seen, flake_floor_rate, flake_rank, the location test, response times,
    state_before, and failed_before, flake_events_before, n_before of the time before.
    """
    now, before = spans
    table = describe_pairs(now, thresholds)
    start = last_days(history.window, LOCATION_DAYS)[0].start
    trailing = within_ordered(history.recent, replace(history.window, start=start))
    check = table.index.get_level_values("check_pk")
    round_robin = check.isin(round_robin_checks(trailing))
    alone = check[round_robin]
    sequence = history.sequence
    comparable = chosen(sequence, (sequence["started_at"].ge(start) & ~sequence["check_pk"].isin(alone)).to_numpy())
    floor = flake_floor(table["flake_events"], table["n"], thresholds)
    retried = trailing.loc[trailing["attempts"].gt(0), "check_pk"]
    earlier = before.table.reindex(table.index)
    both_flaky = table["state"].eq(FLAKY) & earlier["state"].eq(FLAKY)
    response = history.response.reindex(table.index).add_prefix("response_")
    pairs = pairs_of(trailing)
    pairs = pairs[~pairs.get_level_values("check_pk").isin(alone)]
    previous = last_before(history.weeks_sequence, start)
    compared = compare_locations(pairs, comparable, events, thresholds, previous).reindex(table.index)
    worse = compared["worse"].eq(True)  # noqa: FBT003  a pair that is not compared is not worse
    return table.join([compared.assign(worse=worse), response]).assign(
        round_robin=round_robin,
        retries_seen=check.isin(retried),
        flake_floor_rate=floor,
        flake_rank=_ranks(table.assign(floor=floor), history, thresholds),
        state_since_at=table["state_since_at"].mask(both_flaky, earlier["state_since_at"]),
        state_before=earlier["state"].astype(object),
        n_before=earlier["n"].fillna(0).astype("int64"),
        failed_before=earlier["failed"].fillna(0).astype("int64"),
        flake_events_before=earlier["flake_events"].fillna(0).astype("int64"),
    )


def _ranks(table: pd.DataFrame, history: History, thresholds: Thresholds) -> "pd.Series[float]":
    """1 for the flakiest by `floor`, then by failures, then by the names of check and run location.

    NaN below `min_runs`, and without any event.
    """
    ranked = table.loc[table["n"].ge(thresholds.min_runs) & table["flake_events"].gt(0), ["floor", "failed"]]
    checks, places = (ranked.index.get_level_values(name) for name in PAIR)
    named = ranked.assign(
        check=history.checks["check_order"].reindex(checks).to_numpy(),
        place=history.run_locations.reindex(places).to_numpy(),
    )
    order = named.sort_values(["floor", "failed", "check", "place"], ascending=[False, False, True, True])
    return pd.Series(range(1, len(order) + 1), index=order.index, dtype="float64").reindex(table.index)


def round_robin_checks(results: pd.DataFrame) -> "pd.Index[int]":
    """Checks whose every session ran at one location, and that moved between locations more than once."""
    ran = results.loc[results["outcome"].ne(MISSING), ["check_pk", "run_location_pk", "position"]]
    position, check = ran["position"].to_numpy(), ran["check_pk"].to_numpy()
    together = np.zeros(check.max(initial=0) + 1, dtype=bool)
    together[check[np.bincount(position)[position] > 1]] = True
    alone = ran[~together[check]].sort_values("check_pk", kind="stable")
    moved = alone["run_location_pk"].ne(alone["run_location_pk"].shift()) & ~begins_group(alone, ["check_pk"])
    moves = moved.groupby(alone["check_pk"]).sum()
    found: pd.Index[int] = moves.index[moves.ge(_LEAST_MOVES)]
    return found
