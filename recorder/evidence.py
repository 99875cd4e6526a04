"""Pure: what results that nobody knows say about a trigger whose answer was lost."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

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
