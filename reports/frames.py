"""The frames of one window, as every measure takes them: their keys, their words, and the snapshot that holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
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
INSTANT: Final = "datetime64[ms, UTC]"
"""The type of every instant in a frame."""
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_KEYS: Final = 2**24
"""More than there are of the second key of two."""
_MOST_COUNTED: Final = 2**16
"""So many different integers are sorted in two passes."""
RECENT_DAYS: Final = 28
"""How far back from the window's end the results of a pair are compared with each other."""
WEEKS_DAYS: Final = 56
"""How far back key figures look, week by week."""
LEVEL_DAYS: Final = 63
"""How many local days have daily levels: eight weeks, and one more for what the last report would have said."""


@dataclass(frozen=True, slots=True)
class History:
    """What the database holds of one window and of the time before it: a consistent snapshot, joined by integer keys.

    `checks` (index check_pk): check_id, check_name, check_type, link, check_order. `run_locations` (index
    run_location_pk): names. `location_sets` (index location_set_pk): sorted lists of names. `sessions`: every session
    of the window in the order of every statistic, (started_at, check_session_id); `position` is its place, `in_rates`
    says that its results count (finished, not excluded, not reconciled). `results`: one row per run location of each
    session in the rates; `outcome` is PASS, DEGRADED, FAIL, VOID or MISSING. `fires`: schedule, origin, state,
    instants. `exclusions`: what a person took out of the adjusted figures of the window and of the time before it
    (`history_exclusions`).
    `firings` (index fire_pk): schedule (empty: by hand) and place, its number among those of the schedule in `recent`.
    `match_tags` (by fire_pk): what those of the window and of `before` asked for, when a selection wants to know.

    `recent_sessions` and `recent` are the sessions (keys and outcome alone) and the results of the span that holds the
    window, `before` and the last RECENT_DAYS days; their positions continue those of the window downwards. `sequence`:
    the rated ones of `recent`, pair by pair (`sequences`); `session_sequence`: those of `recent_sessions`, check by
    check (`check_by_check`). `weeks_sessions`, `weeks` and `weeks_sequence` are the same
    of the last WEEKS_DAYS, and of what `recent` holds before. `levels`: per series and local day of the last LEVEL_DAYS
    rated, failed and first-try sessions, `n` of the timeElapsed sample and its `median_ms`, and `first_at`, when the
    first one started. `incidents`: per week of `levels.week_numbers` and check, as `load_incidents` counts them.
    `response` (index PAIR): n, median_ms and p95_ms of the response time in the window.

    `check_beginnings` (index check_pk) and `pair_beginnings` (index PAIR): first_failed_at and last_good_at of what
    failed when `recent` begins (`history_beginnings`); NaT is more than a year before. `known_checks`: the keys of
    checks with a session before the window, whole for those that have one in it. `expected_checks`: of any selection,
    the checks that the window would show if they ran as in the time before (`expected_checks`).
    """

    window: Window
    before: Window
    checks: pd.DataFrame
    run_locations: "pd.Series[Any]"
    location_sets: "pd.Series[Any]"
    sessions: pd.DataFrame
    results: pd.DataFrame
    fires: pd.DataFrame
    exclusions: pd.DataFrame
    firings: pd.DataFrame
    match_tags: "pd.Series[Any]"
    recent_sessions: pd.DataFrame
    recent: pd.DataFrame
    sequence: pd.DataFrame
    session_sequence: pd.DataFrame
    weeks_sessions: pd.DataFrame
    weeks: pd.DataFrame
    weeks_sequence: pd.DataFrame
    levels: pd.DataFrame
    incidents: pd.DataFrame
    response: pd.DataFrame
    check_beginnings: pd.DataFrame
    pair_beginnings: pd.DataFrame
    known_checks: frozenset[int]
    expected_checks: frozenset[int]


def within(frame: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The rows that started in the window."""
    return chosen(frame, since(frame, window.start) & ~since(frame, window.end))


def since(frame: pd.DataFrame, instant: datetime) -> Bools:
    """Which rows started at the instant or later; as integers, a quarter of the time of comparing instants."""
    first_ms = -((_EPOCH - instant) // timedelta(milliseconds=1))
    later: Bools = frame["started_at"].astype("int64").to_numpy() >= first_ms
    return later


def side_by_side(columns: Mapping[str, Any], index: "pd.Index[Any]") -> pd.DataFrame:
    """Series and arrays, all in the order of the index, as a frame: indexes of their own are not compared."""
    plain = {name: column.array if isinstance(column, pd.Series) else column for name, column in columns.items()}
    return pd.DataFrame(plain, index=index)


def chosen(frame: pd.DataFrame, rows: Bools) -> pd.DataFrame:
    """These rows; the frame itself, no copy of millions, when these are all."""
    return frame if rows.all() else frame[rows]


def within_ordered(frame: pd.DataFrame, window: Window) -> pd.DataFrame:
    """The same of a frame in the order of time: found by halving, without a look at each row."""
    started = frame["started_at"]
    first, end = (int(started.searchsorted(pd.Timestamp(instant))) for instant in (window.start, window.end))
    return frame.iloc[first:end]


def silent_after(history: History) -> date | None:
    """The last local day of the window with a session when more days without one follow than did in the time before."""
    last = history.sessions["day"].max()
    if pd.isna(last):
        return None
    before = within_ordered(history.recent_sessions, history.before)["day"].max()
    usual = 0 if pd.isna(before) else (history.before.days[-1] - before.date()).days
    day: date = last.date()
    return day if (history.window.days[-1] - day).days > usual else None


def expected_checks(history: History) -> frozenset[int]:
    """The checks of the time before that should have been seen in the window: none when that has no session at all.

    Days at its end that are silent show no check, so as many at the end of the time before are not asked for either.
    """
    if history.sessions.empty:
        return frozenset()
    sessions, last = within_ordered(history.recent_sessions, history.before), silent_after(history)
    if last is not None:
        silent = history.window.days[-1] - last
        sessions = sessions[sessions["day"].le(pd.Timestamp(history.before.days[-1] - silent))]
    return frozenset(sessions["check_pk"].unique().tolist())


def last_before(sequence: pd.DataFrame, instant: datetime) -> pd.DataFrame:
    """How the last rated result of each PAIR (the index) before the instant ended: `failed`, and its `attempts`.

    `sequence`: `sequences`.
    """
    earlier = ~since(sequence, instant)
    newest = earlier & np.append(begins_group(sequence, PAIR) | ~earlier, [True])[1:]
    last: pd.DataFrame = sequence.loc[newest, [*PAIR, "fail", "attempts"]]
    return last.set_index(list(PAIR)).rename(columns={"fail": "failed"})


def sequences(results: pd.DataFrame) -> pd.DataFrame:
    """The rated results pair by pair, each in the order of time; a new index. `results` are in the order of time.

    Columns: PAIR, position, fire_pk, started_at, attempts, fail. Sorted once for all windows: a window's part of it is
    in the same order.
    """
    counting = rated(results)[[*PAIR, "position", "fire_pk", "started_at", "attempts", "fail"]]
    sequence: pd.DataFrame = counting.iloc[_sorting(slots(counting, *PAIR))].reset_index(drop=True)
    return sequence


def check_by_check(sessions: pd.DataFrame) -> pd.DataFrame:
    """The sessions (in the order of time) check by check: check_pk, position, started_at, fail; a new index."""
    order = _sorting(sessions["check_pk"].to_numpy())
    ordered: pd.DataFrame = sessions[["check_pk", "position", "started_at", "fail"]].iloc[order].reset_index(drop=True)
    return ordered


def _sorting(keys: Rows) -> Rows:
    """The order of the keys, what is equal as it stands; few different ones are sorted by counting."""
    codes, found = pd.factorize(keys, sort=True)
    order: Rows = np.argsort(codes.astype("uint16") if len(found) <= _MOST_COUNTED else codes, kind="stable")
    return order


def begins_group(frame: pd.DataFrame, by: Sequence[str]) -> Bools:
    """Whether each row begins another group of `by` than the row before; the frame is sorted by them."""
    new = np.ones(len(frame), dtype=bool)
    new[1:] = False
    for name in by:
        keys = frame[name].to_numpy()
        new[1:] |= keys[1:] != keys[:-1]
    return new


def numbered(rows: pd.DataFrame, by: Sequence[str]) -> "tuple[Rows, pd.Index[Any]]":
    """The number of each row's group of `by`, and the groups, sorted: what groupby finds, in half of its time.

    No key may be unknown.
    """
    keys: list[tuple[Any, Any]] = [pd.factorize(rows[name], sort=True) for name in by]
    number, values = keys[0]
    if len(by) == 1:
        return number, pd.Index(values, name=by[0])
    for further, found in keys[1:]:
        number = number * len(found) + further
    places, groups = pd.factorize(number, sort=True)
    codes: Any = np.unravel_index(groups, [len(found) for _, found in keys])
    return places, pd.MultiIndex([found for _, found in keys], codes, names=list(by), verify_integrity=False)


def pairs_of(results: pd.DataFrame) -> pd.MultiIndex:
    """Every PAIR of the results, sorted."""
    found = np.sort(pd.unique(slots(results, *PAIR)))
    return pd.MultiIndex.from_arrays([found // _MOST_KEYS, found % _MOST_KEYS], names=list(PAIR))


def places_of(rows: pd.DataFrame, pairs: "pd.Index[Any]") -> Rows:
    """The place of each row's PAIR among `pairs`, which are sorted and hold it."""
    check, location = (pairs.get_level_values(name).to_numpy() for name in PAIR)
    places: Rows = np.searchsorted(check * _MOST_KEYS + location, slots(rows, *PAIR))
    return places


def slots(frame: pd.DataFrame, first: str, second: str) -> "npt.NDArray[np.int64]":
    """One integer for two keys: comparing half a million pairs is ten times faster this way."""
    combined: npt.NDArray[np.int64] = frame[first].to_numpy() * _MOST_KEYS + frame[second].to_numpy()
    return combined


def rated(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows whose outcome counts, with a boolean `fail`."""
    counting = chosen(frame, frame["outcome"].isin(RATED).to_numpy())
    return counting.assign(fail=counting["outcome"].eq(Outcome.FAIL))


def rated_sessions(sessions: pd.DataFrame) -> pd.DataFrame:
    """The sessions that count in the rates (PASSED, DEGRADED, FAILED, TIMED_OUT), with a boolean `fail`."""
    return rated(sessions[sessions["in_rates"]])
