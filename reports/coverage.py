"""Pure: how much of what should have been recorded was recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from reports.frames import MISSING, History
from reports.pass_rate import count_sessions

FIRE_STATES: Final = ("triggered", "no_match", "rejected", "ambiguous", "missed", "skipped", "pending")
"""How a due instant ended; `pending` ones are still due or on their way."""
_SESSION_COUNTS: Final = ("sessions", "rated", "cancelled", "unfinished", "left_out")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts over the whole window.

    sessions = rated + cancelled + unfinished + left_out (excluded, or found by reconciliation). `missing_results`: run
    locations of finished sessions that have no result. `due` instants of schedules = the sum of `fires`. `by_hand`
    counts triggers outside any schedule. `first_session_at`, `last_session_at`: None without a session.
    """

    sessions: int
    rated: int
    passed: int
    degraded: int
    failed: int
    timed_out: int
    cancelled: int
    unfinished: int
    left_out: int
    missing_results: int
    due: int
    fires: Mapping[str, int]
    by_hand: int
    first_session_at: datetime | None
    last_session_at: datetime | None

    @property
    def session_pass_rate(self) -> float | None:
        """(PASSED + DEGRADED) / rated over all checks; None when nothing is rated."""
        return (self.passed + self.degraded) / self.rated if self.rated else None


def count_coverage(history: History) -> Coverage:
    """The counts of one window."""
    sessions = history.sessions
    ends = count_sessions(sessions.assign(window=0), ["window"]).sum()
    by_schedule = history.fires[history.fires["origin"].ne("manual")]
    states = by_schedule["state"].replace({"due": "pending", "intent": "pending"})
    fires = by_schedule["instants"].groupby(states).sum()
    return Coverage(
        **{name: int(ends[name]) for name in ("sessions", "rated", "passed", "degraded", "failed", "timed_out")},
        **{name: int(ends[name]) for name in ("cancelled", "unfinished", "left_out")},
        missing_results=int(history.results["outcome"].eq(MISSING).sum()),
        due=int(by_schedule["instants"].sum()),
        fires={state: int(fires.get(state, 0)) for state in FIRE_STATES},
        by_hand=int(history.fires.loc[history.fires["origin"].eq("manual"), "instants"].sum()),
        first_session_at=_instant(sessions["started_at"].min()),
        last_session_at=_instant(sessions["started_at"].max()),
    )


def _instant(value: pd.Timestamp) -> datetime | None:
    return None if pd.isna(value) else value.to_pydatetime()


def coverage_table(history: History) -> pd.DataFrame:
    """One row per (origin, schedule): due instants by what became of them, sessions, and results expected and missing.

    The origins schedule and manual fire; import, backfill and reconciled only have sessions.
    """
    keys = ["origin", "schedule"]
    fires = history.fires.assign(
        schedule=history.fires["schedule"].fillna(""),
        state=history.fires["state"].replace({"due": "pending", "intent": "pending"}),
    )
    states = fires.groupby([*keys, "state"])["instants"].sum().unstack("state", fill_value=0)  # noqa: PD010  a Series has no pivot_table
    states = states.reindex(columns=list(FIRE_STATES), fill_value=0)
    states.insert(0, "due", states.sum(axis=1))
    sessions = history.sessions.assign(schedule=history.sessions["schedule"].fillna(""))
    counts = count_sessions(sessions, keys)[list(_SESSION_COUNTS)]
    places = _places(history).groupby([sessions["origin"], sessions["schedule"]]).sum()
    table = states.join(counts, how="outer").join(places)
    return table.fillna(0).astype("int64").reset_index()


def _places(history: History) -> pd.DataFrame:
    """Per session of the window (the index that of `sessions`): expected_results, missing_results.

    Expected is one result of each run location that a session of the rates was to run at; where those are not known,
    what came. A result from elsewhere was not expected.
    """
    position = history.results["position"].to_numpy()
    absent = position[history.results["outcome"].eq(MISSING).to_numpy()]
    sessions = history.sessions
    own = sessions["position"].to_numpy()
    length = own.max(initial=-1) + 1
    came, missing = (np.bincount(places, minlength=length)[own] for places in (position, absent))
    wanted = sessions["location_set_pk"].map(history.location_sets.map(len)).astype("int64").to_numpy()
    expected = np.where(wanted > 0, wanted, came) * sessions["in_rates"].to_numpy()
    return pd.DataFrame({"expected_results": expected, "missing_results": missing}, index=sessions.index)
