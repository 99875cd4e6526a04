"""Pure: the state of each check: as bad as its worst run location, and broken too when its sessions are."""

from typing import Final

import pandas as pd

from reports.frames import History, check_by_check, within_ordered
from reports.states import BROKEN, HEALTHY, STATES, sequence_ends
from reports.thresholds import Thresholds

BY_CHECK: Final = ("check_pk",)
_TOLD: Final = ["check_pk", "state", "state_since_at", "failing"]


def session_states(history: History, thresholds: Thresholds) -> pd.DataFrame:
    """Per check (the index) with a rated session of the time that is looked at: what its sessions say.

    Columns: n (rated in the window), broken, broken_at, recovered_at, failing (`states.sequence_ends`), and was_broken,
    whether they said so when the time before ended. Broken by the rule for pairs, and as those only from `min_runs`
    sessions on: a session that timed out has no result, so no pair tells of it.
    """
    rated = _rated(history)
    ordered = check_by_check(rated)
    begun = history.check_beginnings["first_failed_at"]
    now, before = (
        sequence_ends(ordered, BY_CHECK, window, thresholds, begun).assign(
            n=within_ordered(rated, window).groupby("check_pk").size()
        )
        for window in (history.window, history.before)
    )
    was_broken = before["broken"] & before["n"].ge(thresholds.min_runs)
    return now.assign(
        n=now["n"].fillna(0).astype("int64"),
        broken=now["broken"] & now["n"].ge(thresholds.min_runs),
        was_broken=was_broken.reindex(now.index, fill_value=False),
    )


def rated_by_check(history: History) -> pd.DataFrame:
    """`frames.check_by_check` of the rated sessions of the time that is looked at."""
    return check_by_check(_rated(history))


def _rated(history: History) -> pd.DataFrame:
    return history.recent_sessions[history.recent_sessions["rated"]]


def check_states(pairs: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """Per check (the index): `state`, the worst of its pairs and of its sessions (`session_states`), and since when.

    Broken or flaky since the first of them is; healthy since the last of them recovered, which is not known (NaT) while
    the newest result of a pair, or the newest session, has failed. That sessions pass makes no check healthy whose
    locations ran too seldom to be called so.
    """
    own = sessions.reset_index().assign(state=sessions["broken"].map({True: BROKEN, False: HEALTHY}).to_numpy())
    own["state_since_at"] = own["recovered_at"].mask(own["broken"], own["broken_at"])
    healthy = pairs.loc[pairs["state"].eq(HEALTHY), "check_pk"]
    told = pd.concat([pairs[_TOLD], own.loc[own["broken"] | own["check_pk"].isin(healthy), _TOLD]], ignore_index=True)
    places = told["state"].map({state: place for place, state in enumerate(STATES)})
    worst = told[places.eq(places.groupby(told["check_pk"]).transform("min"))]
    worst = worst.assign(unknown=worst["state_since_at"].isna())
    table = worst.groupby("check_pk").agg(
        state=("state", "first"),
        first_at=("state_since_at", "min"),
        last_at=("state_since_at", "max"),
        failing=("failing", "any"),
        unknown=("unknown", "any"),
    )
    since = table["first_at"].mask(table["state"].eq(BROKEN) & table["unknown"])
    since = since.mask(table["state"].eq(HEALTHY), table["last_at"].mask(table["failing"]))
    return pd.DataFrame({"state": table["state"], "state_since_at": since})
