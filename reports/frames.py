"""The frames of one window, as every measure takes them: their keys, their words, and the snapshot that holds them."""

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from recorder.outcomes import Outcome
from reports.windows import Window

PAIR: Final = ("check_pk", "run_location_pk")
"""Keys of a check at one run location."""
SERIES: Final = ("check_pk", "location_set_pk")
"""Keys of a timeElapsed series: a check on one set of run locations."""
RATED: Final = (Outcome.PASS, Outcome.DEGRADED, Outcome.FAIL)
"""The outcomes that count in n."""
MISSING: Final = "MISSING"
"""The outcome of a run location of a finished session that has no FINAL result."""
OUTCOMES: Final = pd.CategoricalDtype([*(str(outcome) for outcome in Outcome), MISSING])
"""The type of `History.results.outcome`."""
MIN_RUNS: Final = 20
"""Below this many rated runs nothing is ranked, no adjective is given and the page shows no p95."""


@dataclass(frozen=True, slots=True)
class History:
    """What the database holds of one window: a consistent snapshot, joined by integer keys.

    `checks` (index check_pk): check_id, check_name, check_type, link. `run_locations` (index run_location_pk): names.
    `location_sets` (index location_set_pk): sorted lists of names. `sessions`: every session in the order of every
    statistic, (started_at, check_session_id); `position` is its place, `in_rates` says that its results count
    (finished, not excluded, not reconciled). `results`: one row per run location of each session in the rates;
    `outcome` is PASS, DEGRADED, FAIL, VOID or MISSING. `previous` (index PAIR): `failed`, how the last rated result
    before the window ended, for pairs that failed in it. `fires`: schedule, origin, state, instants. `exclusions`: what
    a person took out of the adjusted figures (`history_exclusions`).
    """

    window: Window
    checks: pd.DataFrame
    run_locations: "pd.Series[Any]"
    location_sets: "pd.Series[Any]"
    sessions: pd.DataFrame
    results: pd.DataFrame
    previous: pd.DataFrame
    fires: pd.DataFrame
    exclusions: pd.DataFrame


def rated(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows whose outcome counts, with a boolean `fail`."""
    counting = frame[frame["outcome"].isin(RATED)]
    return counting.assign(fail=counting["outcome"].eq(Outcome.FAIL))


def rated_sessions(sessions: pd.DataFrame) -> pd.DataFrame:
    """The sessions that count in the rates (PASSED, DEGRADED, FAILED, TIMED_OUT), with a boolean `fail`."""
    return rated(sessions[sessions["in_rates"]])
