"""Pure: flakiness by run location: every failure gets a scope and a duration.

As a script: `python -m reports.flakiness sqlite:///history.db --week 2026-W47 --timezone Europe/Berlin` prints it per
(check, run location) as CSV.
"""

import sys
from itertools import product
from typing import Final

import numpy as np
import pandas as pd

from reports.frames import PAIR, rated
from reports.incidents import count_incidents, number_runs
from reports.intervals import ratio, wilson

SCOPES: Final = ("single", "narrow", "wide")
DURATIONS: Final = ("isolated", "sustained", "open")
PARTITION: Final[tuple[str, ...]] = tuple(f"{scope}_{duration}" for scope, duration in product(SCOPES, DURATIONS))
"""The columns of the failure partition; they add up to the failures."""
ISOLATED_MAX_SESSIONS: Final = 2
GAP_MEDIANS: Final = 3
GAP_FLOOR: Final = pd.Timedelta(hours=24)
GAP_MIN_INTERVALS: Final = 4


def flakiness(results: pd.DataFrame, previous: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """The flakiness of each (check, location) in `counts`, which comes from `pass_rate.count_results(results, PAIR)`.

    Columns: flips, transitions, flip_rate, PARTITION, flake_events, flake_rate with its interval, incidents.
    flake_events = retry passes + isolated failures that were not wide. flip_rate is null without a transition, as below
    two results; flake_rate at n = 0.
    """
    sequence = rated(results).sort_values([*PAIR, "position"], ignore_index=True)
    runs = number_runs(sequence, PAIR)
    flips = count_flips(sequence).reindex(counts.index, fill_value=0)
    partition = partition_failures(runs, previous).reindex(counts.index, fill_value=0)
    events = counts["retry_pass"] + partition["narrow_isolated"] + partition["single_isolated"]
    low, high = wilson(events, counts["n"])
    return flips.join(partition).assign(
        flip_rate=ratio(flips["flips"], flips["transitions"]),
        flake_events=events,
        flake_rate=ratio(events, counts["n"]),
        flake_rate_low=low,
        flake_rate_high=high,
        incidents=count_incidents(runs, PAIR).reindex(counts.index, fill_value=0),
    )


def count_flips(sequence: pd.DataFrame) -> pd.DataFrame:
    """`transitions` (neighbours in a sequence) and `flips` (those that differ) per pair.

    A gap longer than max(3 x the pair's median interval, 24 h) cuts the sequence: what lies between is unknown. Fewer
    than GAP_MIN_INTERVALS intervals tell no usual one, so nothing is cut.
    """
    group = sequence.groupby(list(PAIR), sort=False).ngroup()
    same_pair = group.eq(group.shift())
    gap = sequence["started_at"].diff().dt.total_seconds().where(same_pair)
    intervals = gap.groupby(group)
    limit = np.maximum(GAP_MEDIANS * intervals.transform("median"), GAP_FLOOR.total_seconds())
    cut = gap.gt(limit) & intervals.transform("count").ge(GAP_MIN_INTERVALS)
    joined = same_pair & ~cut
    flipped = joined & sequence["fail"].ne(sequence["fail"].shift())
    neighbours = sequence[list(PAIR)].assign(flips=flipped, transitions=joined)
    return neighbours.astype({"flips": "int64", "transitions": "int64"}).groupby(list(PAIR)).sum()


def partition_failures(runs: pd.DataFrame, previous: pd.DataFrame) -> pd.DataFrame:
    """How many failures of each pair fall into each cell of PARTITION; a pair without a failure is absent.

    Scope, of a session with k failures among m rated results: `single` m = 1; `wide` k >= 2 and 2k > m; else `narrow`.
    Duration, of the pair's maximal run of failures: `sustained` more than 2 sessions, with the one before the window;
    `open` a short run that touches the window's end; else `isolated`.
    """
    session = runs.groupby("position")["fail"]
    m, k = session.transform("size"), session.transform("sum")
    fails = runs["fail"]
    scope = np.select([m[fails].eq(1), k[fails].ge(2) & (2 * k[fails]).gt(m[fails])], ["single", "wide"], "narrow")
    failures = runs[fails]
    began_before = previous["failed"].reindex(pd.MultiIndex.from_frame(failures[list(PAIR)]), fill_value=False)
    length = failures["run_length"] + (failures["at_start"] & began_before.to_numpy(dtype=bool))
    duration = np.select([length.gt(ISOLATED_MAX_SESSIONS), failures["at_end"]], ["sustained", "open"], "isolated")
    cells = failures[list(PAIR)].assign(scope=scope, duration=duration)
    cells = cells.assign(cell=cells["scope"].astype(str) + "_" + cells["duration"].astype(str))
    table = cells.groupby([*PAIR, "cell"]).size().unstack("cell", fill_value=0)  # noqa: PD010  a Series has no pivot_table
    return table.reindex(columns=list(PARTITION), fill_value=0).astype("int64")


if __name__ == "__main__":
    from reports.script import print_table

    sys.exit(print_table("flakiness", __doc__))
