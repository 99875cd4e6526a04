"""What the reports read: narrow frames of one window, as one snapshot; only `history*.py` hold SQL of the reports."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    case,
    func,
    select,
)

from recorder.db import database_errors
from recorder.models import (
    Check,
    CheckResult,
    CheckSession,
    Fire,
    LocationSet,
    LocationSetMember,
    RunLocation,
    Schedule,
)
from recorder.outcomes import Outcome
from reports.frames import (
    INSTANT,
    MISSING,
    OUTCOMES,
    RATED,
    RECENT_DAYS,
    WEEKS_DAYS,
    History,
    check_by_check,
    expected_checks,
    sequences,
    slots,
    within,
    within_ordered,
)
from reports.history_beginnings import load_check_beginnings, load_known_checks, load_pair_beginnings
from reports.history_exclusions import load_exclusions
from reports.history_levels import load_incidents, load_levels, load_response
from reports.history_rows import epoch_ms, frame_of, in_rates, integers, snapshot, started_in
from reports.history_tags import load_match_tags
from reports.selection import ALL, Selection
from reports.windows import Window, last_days, window_before

_CHUNK: Final = 500
_KINDS: Final = 8
Keys = npt.NDArray[np.int64]


def load_history(engine: Engine, window: Window, selection: Selection = ALL) -> History:
    """Read the window in one read-only transaction, of all checks, and what it takes to choose the selected ones.

    Raises DatabaseError when that is not possible.
    """
    before = window_before(window)
    recent = _until(window, min(before.start, last_days(window, RECENT_DAYS)[0].start))
    weeks = _until(window, min(recent.start, last_days(window, WEEKS_DAYS)[0].start))
    with database_errors(engine), snapshot(engine) as connection, connection.begin():
        sessions = load_recent_sessions(connection, weeks)
        results = load_results(connection, weeks, sessions)
        sequence = sequences(results)
        ordered = check_by_check(sessions[sessions["rated"]])
        whole = History(
            window=window,
            before=before,
            checks=load_checks(connection),
            run_locations=load_run_locations(connection),
            location_sets=load_location_sets(connection),
            sessions=load_sessions(connection, window, end=len(sessions)),
            results=within_ordered(results, window).reset_index(drop=True),
            fires=load_fires(connection, window),
            exclusions=load_exclusions(connection, _until(window, before.start)),
            firings=load_firings(connection, recent),
            match_tags=load_match_tags(connection, _until(window, before.start), selection),
            recent_sessions=within_ordered(sessions, recent).reset_index(drop=True),
            recent=within_ordered(results, recent).reset_index(drop=True),
            sequence=within(sequence, recent).reset_index(drop=True),
            session_sequence=within(ordered, recent).reset_index(drop=True),
            weeks_sessions=sessions,
            weeks=results,
            weeks_sequence=sequence,
            levels=load_levels(connection, window),
            incidents=load_incidents(connection, window),
            response=load_response(connection, window),
            check_beginnings=load_check_beginnings(connection, ordered, recent.start),
            pair_beginnings=load_pair_beginnings(connection, sequence, recent.start),
            known_checks=load_known_checks(connection, sessions, window),
            expected_checks=frozenset(),
        )
    return replace(whole, expected_checks=expected_checks(whole))


def _until(window: Window, start: datetime) -> Window:
    return Window(start, window.end, window.zone, label=f"until the end of {window.label}")


def load_sessions(connection: Connection, window: Window, *, end: int) -> pd.DataFrame:
    """Every session of the window, one row each, in the order of every statistic; `day` is the local day.

    The last one's position is `end` - 1, so that positions are those of `load_recent_sessions`.
    """
    query = (
        select(
            CheckSession.pk.label("session_pk"),
            CheckSession.check_session_id,
            CheckSession.check_pk,
            CheckSession.location_set_pk,
            CheckSession.origin,
            Schedule.name.label("schedule"),
            CheckSession.status,
            CheckSession.outcome,
            CheckSession.started_at,
            CheckSession.stopped_at,
            CheckSession.time_elapsed_ms,
            CheckSession.run_source,
            CheckSession.has_attempts,
            CheckSession.final_at.is_not(None).label("is_final"),
            in_rates(CheckSession).label("in_rates"),
        )
        .outerjoin(Fire, Fire.pk == CheckSession.fire_pk)
        .outerjoin(Schedule, Schedule.pk == Fire.schedule_pk)
        .where(started_in(CheckSession, window))
        .order_by(CheckSession.started_at, CheckSession.check_session_id)
    )
    kinds = dict.fromkeys(("session_pk", "check_pk", "location_set_pk"), "int64")
    kinds |= dict.fromkeys(("has_attempts", "is_final", "in_rates"), "bool")
    kinds |= {"status": "category", "outcome": "category"}
    kinds |= {"started_at": INSTANT, "stopped_at": INSTANT, "time_elapsed_ms": "float64"}
    sessions = frame_of(connection, query, kinds)
    return sessions.assign(
        check_session_id=sessions["check_session_id"].map(str).astype(object),
        day=_local_day(sessions["started_at"], window),
        position=np.arange(end - len(sessions), end, dtype="int64"),
    )


def load_recent_sessions(connection: Connection, span: Window) -> pd.DataFrame:
    """Every session of the span as integers, in the order of every statistic: who, when, and whether it failed.

    Columns: session_pk, check_pk, location_set_pk, fire_pk (0: none), started_at, rated, fail, first_try (ok without
    any ATTEMPT), in_rates, day, position.
    """
    rated = and_(in_rates(CheckSession), CheckSession.outcome.in_(RATED))
    query = (
        select(
            CheckSession.pk.label("session_pk"),
            CheckSession.check_pk,
            CheckSession.location_set_pk,
            func.coalesce(CheckSession.fire_pk, 0).label("fire_pk"),
            epoch_ms(connection, CheckSession.started_at.expression).label("started_at"),
            case((rated, 1), else_=0).label("rated"),
            case((and_(rated, CheckSession.outcome == Outcome.FAIL), 1), else_=0).label("fail"),
            case((and_(rated, CheckSession.outcome != Outcome.FAIL, ~CheckSession.has_attempts), 1), else_=0).label(
                "first_try"
            ),
            case((in_rates(CheckSession), 1), else_=0).label("in_rates"),
        )
        .where(started_in(CheckSession, span))
        .order_by(CheckSession.started_at, CheckSession.check_session_id)
    )
    sessions = integers(connection, query)
    started = pd.to_datetime(sessions["started_at"], unit="ms", utc=True).astype(INSTANT)
    kinds = dict.fromkeys(("rated", "fail", "first_try", "in_rates"), "bool")
    return sessions.astype(kinds).assign(
        started_at=started, day=_local_day(started, span), position=np.arange(len(sessions), dtype="int64")
    )


def load_results(connection: Connection, span: Window, sessions: pd.DataFrame) -> pd.DataFrame:
    """One row per (session in the rates, run location): its FINAL, the last one where there are two, or MISSING.

    Columns: position, check_pk, run_location_pk, fire_pk, started_at, day, outcome, attempts.
    """
    query = (
        select(CheckResult.session_pk, CheckResult.run_location_pk, _packed().label("packed"))
        .join(CheckSession, CheckSession.pk == CheckResult.session_pk)
        .where(started_in(CheckSession, span), in_rates(CheckSession), CheckResult.result_type == "FINAL")
    )
    finals = _last_of_each(connection, integers(connection, query))
    counted = sessions.loc[sessions["in_rates"], ["session_pk", "location_set_pk"]]
    expected = counted.merge(load_members(connection), on="location_set_pk")
    keys = ["session_pk", "run_location_pk"]
    absent = expected.loc[~_is_in(slots(expected, *keys), slots(finals, *keys)), keys]
    absent = absent.assign(packed=list(OUTCOMES.categories).index(MISSING))
    rows = pd.concat([finals, absent], ignore_index=True)
    carried = sessions[["session_pk", "position", "check_pk", "fire_pk", "started_at", "day"]]
    merged = rows.merge(carried, on="session_pk").drop(columns="session_pk")
    merged = merged.sort_values(["position", "run_location_pk"], ignore_index=True)
    outcome = pd.Categorical.from_codes(merged["packed"] % _KINDS, dtype=OUTCOMES)
    return merged.assign(outcome=outcome, attempts=merged["packed"] // _KINDS).drop(columns="packed")


def load_checks(connection: Connection) -> pd.DataFrame:
    """Every check as it was last seen; `check_order`: its place among all by name, then by id."""
    query = select(
        Check.pk.label("check_pk"), Check.check_id, Check.name.label("check_name"), Check.check_type, Check.link
    )
    frame = frame_of(connection, query, {"check_pk": "int64"})
    checks = frame.assign(check_id=frame["check_id"].map(str).astype(object)).set_index("check_pk")
    named = checks.assign(check_name=checks["check_name"].fillna("")).sort_values(["check_name", "check_id"])
    return checks.assign(check_order=pd.Series(np.arange(len(named)), index=named.index))


def load_run_locations(connection: Connection) -> "pd.Series[str]":
    """Every run location's name by its key."""
    frame = frame_of(connection, select(RunLocation.pk, RunLocation.name), {"pk": "int64"})
    return frame.set_index("pk")["name"]


def load_members(connection: Connection) -> pd.DataFrame:
    """location_set_pk and run_location_pk of every set."""
    return integers(connection, select(LocationSetMember.location_set_pk, LocationSetMember.run_location_pk))


def load_location_sets(connection: Connection) -> "pd.Series[Any]":
    """The sorted names of each set, by the set's key."""
    query = (
        select(LocationSet.pk, RunLocation.name)
        .outerjoin(LocationSetMember, LocationSetMember.location_set_pk == LocationSet.pk)
        .outerjoin(RunLocation, RunLocation.pk == LocationSetMember.run_location_pk)
    )
    names: dict[int, list[str]] = {}
    for key, name in connection.execute(query):
        names.setdefault(key, []).extend([name] if name is not None else [])
    return pd.Series({key: sorted(members) for key, members in names.items()}, dtype=object)


def load_fires(connection: Connection, window: Window) -> pd.DataFrame:
    """How the due instants of the window ended, a gap row being many of them: schedule, origin, state, instants."""
    instants = func.sum(func.coalesce(Fire.gap_count, 1)).label("instants")
    query = (
        select(Schedule.name.label("schedule"), Fire.origin, Fire.state, instants)
        .outerjoin(Schedule, Schedule.pk == Fire.schedule_pk)
        .where(Fire.scheduled_for >= window.start, Fire.scheduled_for < window.end)
        .group_by(Schedule.name, Fire.origin, Fire.state)
    )
    return frame_of(connection, query, {"instants": "int64"})


def load_firings(connection: Connection, span: Window) -> pd.DataFrame:
    """The firings that led to sessions in the span: schedule, and its place among those of the schedule."""
    used = select(CheckSession.fire_pk).where(started_in(CheckSession, span), CheckSession.fire_pk.is_not(None))
    query = (
        select(Fire.pk.label("fire_pk"), func.coalesce(Schedule.name, "").label("schedule"))
        .outerjoin(Schedule, Schedule.pk == Fire.schedule_pk)
        .where(Fire.pk.in_(used))
        .order_by(Fire.scheduled_for, Fire.pk)
    )
    firings = frame_of(connection, query, {"fire_pk": "int64"})
    return firings.assign(place=firings.groupby("schedule").cumcount()).set_index("fire_pk")


def _local_day(instants: "pd.Series[Any]", window: Window) -> "pd.Series[Any]":
    local: pd.Series[Any] = instants.dt.tz_convert(window.zone).dt.tz_localize(None)
    midnights: pd.Series[Any] = local.dt.normalize()
    return midnights


def _is_in(wanted: Keys, found: Keys) -> "npt.NDArray[np.bool_]":
    """np.isin for millions of keys that come nearly sorted: a binary search, a fifth of the time of its hash table."""
    ordered = np.append(np.sort(found), np.iinfo(np.int64).max)
    there: npt.NDArray[np.bool_] = ordered[np.searchsorted(ordered, wanted)] == wanted
    return there


def _packed() -> ColumnElement[int]:
    """Outcome and tries of a result as one integer, tries * _KINDS + the outcome's place in OUTCOMES."""
    places = [(CheckResult.outcome == kind, place) for place, kind in enumerate(OUTCOMES.categories)]
    return CheckResult.attempts * _KINDS + case(*places)


def _last_of_each(connection: Connection, finals: pd.DataFrame) -> pd.DataFrame:
    """Keep one FINAL per (session, location): the last by (stopped_at, check_result_id).

    The times and ids are only fetched for the few sessions that have rivals.
    """
    keys = ["session_pk", "run_location_pk"]
    double = finals[pd.Series(slots(finals, *keys)).duplicated(keep=False)]
    if double.empty:
        return finals
    query = select(CheckResult.session_pk, CheckResult.run_location_pk, _packed().label("packed"))
    query = query.where(CheckResult.result_type == "FINAL")
    query = query.order_by(CheckResult.stopped_at.nulls_first(), CheckResult.check_result_id)
    sessions = double["session_pk"].unique().tolist()
    chunks = [sessions[start : start + _CHUNK] for start in range(0, len(sessions), _CHUNK)]
    fetched = [integers(connection, query.where(CheckResult.session_pk.in_(chunk))) for chunk in chunks]
    others = finals[~finals["session_pk"].isin(sessions)]
    last = pd.concat(fetched).drop_duplicates(keys, keep="last")
    return pd.concat([others, last], ignore_index=True)
