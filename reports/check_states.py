"""Pure: the state of each check: as bad as its worst run location, and broken too when its sessions are."""

from typing import Final

import pandas as pd

from reports.frames import History, within
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
    ordered = history.session_sequence
    begun = history.check_beginnings["first_failed_at"]
    now, before = (
        sequence_ends(ordered, BY_CHECK, window, thresholds, begun).assign(
            n=within(ordered, window)["check_pk"].value_counts()
        )
        for window in (history.window, history.before)
    )
    was_broken = before["broken"] & before["n"].ge(thresholds.min_runs)
    return now.assign(
        n=now["n"].fillna(0).astype("int64"),
        broken=now["broken"] & now["n"].ge(thresholds.min_runs),
        was_broken=was_broken.reindex(now.index, fill_value=False),
    )


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
    groups = worst.groupby("check_pk")
    state, failing, unknown = groups["state"].first(), groups["failing"].any(), groups["unknown"].any()
    since = groups["state_since_at"].min().mask(state.eq(BROKEN) & unknown)
    since = since.mask(state.eq(HEALTHY), groups["state_since_at"].max().mask(failing))
    return pd.DataFrame({"state": state, "state_since_at": since})
