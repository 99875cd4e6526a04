"""Pure: narrows a history down to some of its checks, before anything is measured.

Checkly's sessions carry no tags. What a schedule triggered is known, and a schedule has tags: its name stands for them.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import pandas as pd

from reports.frames import History, since


@dataclass(frozen=True, slots=True)
class Selection:
    """The checks that one of the schedules triggered in the window or the time before it, those named; all when empty.

    The time before counts, so that a check that has gone is said to be, and figures are compared with those of the same
    checks.
    """

    schedules: tuple[str, ...] = ()
    check_ids: tuple[str, ...] = ()
    check_names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.schedules or self.check_ids or self.check_names)

    def __str__(self) -> str:
        """Such as "checks of the schedule prod; Checkout"; empty when nothing is selected."""
        of = [f"checks of the schedule {name}" for name in self.schedules]
        return "; ".join([*of, *self.check_names, *self.check_ids])


ALL: Final = Selection()
"""Every check."""


def only(history: History, selection: Selection) -> History:
    """The history of the selected checks, with all their sessions; the same when nothing is selected.

    Due instants stay of the schedules that are named and of those that triggered a selected check.
    """
    if not selection:
        return history
    known = history.checks
    named = known["check_id"].isin(selection.check_ids) | known["check_name"].isin(selection.check_names)
    checks = {*_triggered(history, selection), *known.index[named]}
    frames = {field.name: getattr(history, field.name) for field in fields(history)}
    kept: dict[str, Any] = {
        name: _of_checks(frame, checks) for name, frame in frames.items() if isinstance(frame, pd.DataFrame)
    }
    schedules = {*selection.schedules, *kept["sessions"]["schedule"].dropna()}
    kept["fires"] = history.fires[history.fires["schedule"].isin(schedules)]
    return replace(history, **kept)


def _triggered(history: History, selection: Selection) -> "pd.Series[int]":
    """The checks of all sessions, since the time before the window began, that one of the schedules triggered."""
    firings = history.firings.index[history.firings["schedule"].isin(selection.schedules)]
    sessions = history.recent_sessions[since(history.recent_sessions, history.before.start)]
    return sessions.loc[sessions["fire_pk"].isin(firings), "check_pk"]


def _of_checks(frame: pd.DataFrame, checks: set[int]) -> pd.DataFrame:
    """The rows of these checks, in their order; rows of no check (an exclusion of all) and other frames stay."""
    if "check_pk" in frame.columns:
        return frame[frame["check_pk"].isin(checks) | frame["check_pk"].isna()].reset_index(drop=True)
    if "check_pk" in frame.index.names:
        return frame[frame.index.get_level_values("check_pk").isin(checks)]
    return frame
