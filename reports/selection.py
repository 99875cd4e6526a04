"""Pure: narrows a history down to some of its checks, before anything is measured.

Checkly's sessions name no tags. But what was asked for is known: a session belongs to a check that fits it.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import pandas as pd

from recorder.tags import implies
from reports.frames import History, since


@dataclass(frozen=True, slots=True)
class Selection:
    """The checks that one of the schedules triggered in the window or the time before it, those named; all when empty.

    `match_tags`: the checks that a target triggered then which only checks that fit one of these groups can fit. The
    time before counts, so that a check that has gone is said to be, and figures are compared with those of the same
    checks.
    """

    schedules: tuple[str, ...] = ()
    check_ids: tuple[str, ...] = ()
    check_names: tuple[str, ...] = ()
    match_tags: tuple[tuple[str, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.schedules or self.check_ids or self.check_names or self.match_tags)

    def __str__(self) -> str:
        """Such as "checks of the schedule prod; checks tagged api and eu; Checkout"; empty when nothing is selected."""
        of = [f"checks of the schedule {name}" for name in self.schedules]
        return "; ".join([*of, *map(_said, self.match_tags), *self.check_names, *self.check_ids])


ALL: Final = Selection()
"""Every check."""


def only(history: History, selection: Selection) -> History:
    """The history of the selected checks, with all their sessions; the same when nothing is selected.

    Due instants stay of the schedules that are named, of those that the tags were found by, and of those that triggered
    a selected check.
    """
    if not selection:
        return history
    known = history.checks
    named = known["check_id"].isin(selection.check_ids) | known["check_name"].isin(selection.check_names)
    triggered = _triggered(history, selection)
    checks = {*triggered["check_pk"], *known.index[named]}
    frames = {field.name: getattr(history, field.name) for field in fields(history)}
    kept: dict[str, Any] = {
        name: _of_checks(frame, checks) for name, frame in frames.items() if isinstance(frame, pd.DataFrame)
    }
    found_by = history.firings.loc[triggered["fire_pk"].unique(), "schedule"]
    schedules = {*selection.schedules, *found_by, *kept["sessions"]["schedule"].dropna()}
    kept["fires"] = history.fires[history.fires["schedule"].isin(schedules)]
    return replace(history, **kept)


def _triggered(history: History, selection: Selection) -> pd.DataFrame:
    """The sessions, since the time before the window began, that a schedule or a target of the selection led to."""
    sessions = history.recent_sessions[since(history.recent_sessions, history.before.start)]
    firings = {*history.firings.index[history.firings["schedule"].isin(selection.schedules)]}
    if selection.match_tags:
        sent = history.match_tags.loc[sessions.loc[sessions["fire_pk"].gt(0), "fire_pk"].unique()]
        firings.update(sent.index[[implies(asked, selection.match_tags) for asked in sent]])
    return sessions[sessions["fire_pk"].isin(firings)]


def _said(group: tuple[str, ...]) -> str:
    """Such as "checks tagged api and eu, not tagged old or slow"."""
    tags = [tag for tag in group if not tag.startswith("!")]
    others = [tag.removeprefix("!") for tag in group if tag.startswith("!")]
    parts = [f"tagged {' and '.join(tags)}"] * bool(tags) + [f"not tagged {' or '.join(others)}"] * bool(others)
    return f"checks {', '.join(parts)}"


def _of_checks(frame: pd.DataFrame, checks: set[int]) -> pd.DataFrame:
    """The rows of these checks, in their order; rows of no check (an exclusion of all) and other frames stay."""
    if "check_pk" in frame.columns:
        return frame[frame["check_pk"].isin(checks) | frame["check_pk"].isna()].reset_index(drop=True)
    if "check_pk" in frame.index.names:
        return frame[frame.index.get_level_values("check_pk").isin(checks)]
    return frame
