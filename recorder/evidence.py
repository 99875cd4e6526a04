"""Pure: what results that nobody knows say about a trigger whose answer was lost."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

from recorder.ambiguous import AmbiguousFire, FollowedSession, Rival
from recorder.check_results import CheckResultEntry

WINDOW_BEFORE: Final = timedelta(seconds=5)
WINDOW_AFTER: Final = timedelta(minutes=30)
"""Results are looked for from 5 s before the intent to half an hour after it."""
PROMPT: Final = timedelta(seconds=60)
"""A triggered run starts within a minute of its trigger."""
ON_CADENCE: Final = timedelta(seconds=15)
"""How close to the check's own rhythm a start must be to count as one of its own runs."""
_FEWEST_FOR_A_RHYTHM: Final = 2


class Evidence(StrEnum):
    """How surely a lost trigger ran."""

    STRONG = "strong"
    """An unknown FINAL at every location of a check, started within a minute, off the check's own cadence."""
    WEAK = "weak"
    """Unknown results in the window, but not so clear."""
    NONE = "none"


def results_of(
    fire: AmbiguousFire,
    entries: Iterable[CheckResultEntry],
    *,
    rivals: Sequence[Rival],
    followed: Sequence[FollowedSession],
) -> list[CheckResultEntry]:
    """Those of a check's unknown results that speak for this fire: a result speaks for one fire only.

    What fits a session that is still followed is most likely its own. Of several fires whose answers were lost, a
    result belongs to the one that was sent last before it. `rivals` may all run the check, `followed` are its sessions.
    """
    lost = [rival for rival in rivals if not rival.is_answered]
    return [
        one
        for one in entries
        if one.started_at is not None
        and is_in_window(one.started_at, fire.intent_at)
        and not any(_fits(one, session) for session in followed)
        and _sender(one.started_at, fire, lost) == fire.pk
    ]


def may_be_another_s(entries: Iterable[CheckResultEntry], rivals: Sequence[Rival]) -> bool:
    """Whether some result started when a rival's might have."""
    return any(
        one.started_at is not None and is_in_window(one.started_at, rival.intent_at)
        for one in entries
        for rival in rivals
    )


def is_in_window(started_at: datetime, intent_at: datetime) -> bool:
    """Whether a run may come from a trigger that was sent at `intent_at`."""
    return intent_at - WINDOW_BEFORE <= started_at < intent_at + WINDOW_AFTER


def _fits(entry: CheckResultEntry, session: FollowedSession) -> bool:
    here = not session.awaited or entry.run_location in session.awaited
    return here and entry.started_at is not None and is_in_window(entry.started_at, session.started_at)


def _sender(started_at: datetime, fire: AmbiguousFire, lost: Sequence[Rival]) -> int:
    """The fire that was sent last before a run; when all were sent after it (clocks differ), the first of them."""
    able = [(rival.intent_at, rival.pk) for rival in lost if is_in_window(started_at, rival.intent_at)]
    able.append((fire.intent_at, fire.pk))
    before = [one for one in able if one[0] <= started_at]
    return (max(before) if before else min(able))[1]


def judge_check(
    entries: Iterable[CheckResultEntry],
    *,
    intent_at: datetime,
    locations: Sequence[str],
    neighbours: Mapping[str, Sequence[datetime]],
) -> Evidence:
    """The evidence of one check.

    `entries` are its results in the window that belong to no recorded session, `locations` those where it ran last,
    `neighbours` the starts of its other FINALs at each location: the rhythm of the check's own schedule.
    """
    found = list(entries)
    if not found:
        return Evidence.NONE
    prompt = {
        entry.run_location: entry.started_at
        for entry in found
        if entry.result_type == "FINAL" and entry.started_at is not None and _is_prompt(entry.started_at, intent_at)
    }
    everywhere = bool(locations) and set(locations) <= set(prompt)
    if everywhere and not any(is_on_cadence(prompt[name], neighbours.get(name, ())) for name in locations):
        return Evidence.STRONG
    return Evidence.WEAK


def is_on_cadence(started_at: datetime, neighbours: Sequence[datetime]) -> bool:
    """Whether a start falls on the beat of its neighbours; two or more of them are needed to hear one."""
    others = sorted(set(neighbours) - {started_at})
    if len(others) < _FEWEST_FOR_A_RHYTHM:
        return False
    period = median((later - earlier).total_seconds() for earlier, later in pairwise(others))
    if period <= 2 * ON_CADENCE.total_seconds():
        return True  # runs so often that nothing is off its beat
    nearest = min(others, key=lambda other: abs(other - started_at))
    off = abs((started_at - nearest).total_seconds()) % period
    return min(off, period - off) <= ON_CADENCE.total_seconds()


def _is_prompt(started_at: datetime, intent_at: datetime) -> bool:
    return intent_at - WINDOW_BEFORE <= started_at <= intent_at + PROMPT
