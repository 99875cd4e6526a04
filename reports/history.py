"""The only SQL of the reports: narrow frames of one window, read as one snapshot, never the whole history."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, and_, func, select
from sqlalchemy.orm import aliased

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
    is_sqlite,
)
from recorder.outcomes import Outcome
from reports.frames import MISSING, OUTCOMES, PAIR, History
from reports.history_exclusions import load_exclusions
from reports.windows import Window

LOOK_BACK: Final = timedelta(days=35)
"""How far before the window the one result is looked for that says how a run of failures at its start began."""
_CHUNK: Final = 500
_MOST_LOCATIONS: Final = 2**24
_INSTANT: Final = "datetime64[ms, UTC]"


def load_history(engine: Engine, window: Window) -> History:
    """Read the window in one read-only transaction. Raises DatabaseError when that is not possible."""
    with database_errors(engine), _snapshot(engine) as connection, connection.begin():
        sets = load_location_sets(connection, window)
        sessions = load_sessions(connection, window)
        return History(
            window=window,
            checks=load_checks(connection, window),
            run_locations=load_run_locations(connection),
            location_sets=sets,
            sessions=sessions,
            results=load_results(connection, window, sessions),
            previous=load_previous(connection, window),
            fires=load_fires(connection, window),
            exclusions=load_exclusions(connection, window),
        )


def load_sessions(connection: Connection, window: Window) -> pd.DataFrame:
    """Every session of the window, one row each, in the order of every statistic; `day` is the local day."""
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
            _in_rates(CheckSession).label("in_rates"),
        )
        .outerjoin(Fire, Fire.pk == CheckSession.fire_pk)
        .outerjoin(Schedule, Schedule.pk == Fire.schedule_pk)
        .where(_started_in(CheckSession, window))
        .order_by(CheckSession.started_at, CheckSession.check_session_id)
    )
    kinds = dict.fromkeys(("session_pk", "check_pk", "location_set_pk"), "int64")
    kinds |= dict.fromkeys(("has_attempts", "is_final", "in_rates"), "bool")
    kinds |= {"started_at": _INSTANT, "stopped_at": _INSTANT, "time_elapsed_ms": "float64"}
    sessions = _frame(connection, query, kinds)
    local = sessions["started_at"].dt.tz_convert(window.zone).dt.tz_localize(None)
    return sessions.assign(day=local.dt.normalize(), position=np.arange(len(sessions), dtype="int64"))


def load_results(connection: Connection, window: Window, sessions: pd.DataFrame) -> pd.DataFrame:
    """One row per (session in the rates, run location): its FINAL, the last one where there are two, or MISSING.

    Columns: position, check_pk, run_location_pk, started_at, day, outcome, attempts.
    """
    query = (
        select(
            CheckResult.pk.label("result_pk"),
            CheckResult.session_pk,
            CheckResult.run_location_pk,
            CheckResult.outcome,
            CheckResult.attempts,
        )
        .join(CheckSession, CheckSession.pk == CheckResult.session_pk)
        .where(_started_in(CheckSession, window), _in_rates(CheckSession), CheckResult.result_type == "FINAL")
    )
    kinds: dict[str, Any] = dict.fromkeys(("result_pk", "session_pk", "run_location_pk", "attempts"), "int64")
    kinds["outcome"] = OUTCOMES
    finals = _last_of_each(connection, _frame(connection, query, kinds))
    rated = sessions.loc[sessions["in_rates"], ["session_pk", "location_set_pk"]]
    expected = rated.merge(load_members(connection, window), on="location_set_pk")
    keys = ["session_pk", "run_location_pk"]
    absent = expected.loc[~_slot(expected).isin(_slot(finals)), keys]
    absent = absent.assign(outcome=pd.Series(MISSING, index=absent.index, dtype=OUTCOMES), attempts=0)
    rows = pd.concat([finals[[*keys, "outcome", "attempts"]], absent], ignore_index=True)
    carried = sessions[["session_pk", "position", "check_pk", "started_at", "day"]]
    merged = rows.merge(carried, on="session_pk").drop(columns="session_pk")
    return merged.sort_values(["position", "run_location_pk"], ignore_index=True)


def load_previous(connection: Connection, window: Window) -> pd.DataFrame:
    """Whether the last rated result before the window failed, for the (check, location) pairs that failed in it.

    Only those pairs ask: a run of failures at the window's start is the only thing the answer decides.
    """
    pairs = (
        select(CheckSession.check_pk, CheckResult.run_location_pk)
        .join(CheckSession, CheckSession.pk == CheckResult.session_pk)
        .where(_started_in(CheckSession, window), _in_rates(CheckSession))
        .where(CheckResult.result_type == "FINAL", CheckResult.outcome == Outcome.FAIL)
        .distinct()
        .subquery()
    )
    session, result = aliased(CheckSession), aliased(CheckResult)
    before = (
        select(result.outcome)
        .join(session, session.pk == result.session_pk)
        .where(session.check_pk == pairs.c.check_pk, result.run_location_pk == pairs.c.run_location_pk)
        .where(session.started_at >= window.start - LOOK_BACK, session.started_at < window.start, _in_rates(session))
        .where(result.result_type == "FINAL", result.outcome != Outcome.VOID)
        .order_by(session.started_at.desc(), session.check_session_id.desc())
        .order_by(result.stopped_at.desc().nulls_last(), result.check_result_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(pairs.c.check_pk, pairs.c.run_location_pk, (before == Outcome.FAIL).label("failed"))
    frame = _frame(connection, query, {"check_pk": "int64", "run_location_pk": "int64"})
    return frame.assign(failed=frame["failed"].map(bool).astype(bool)).set_index(list(PAIR))


def load_checks(connection: Connection, window: Window) -> pd.DataFrame:
    """The checks that have a session in the window."""
    seen = select(CheckSession.check_pk).where(_started_in(CheckSession, window))
    query = select(
        Check.pk.label("check_pk"), Check.check_id, Check.name.label("check_name"), Check.check_type, Check.link
    ).where(Check.pk.in_(seen))
    frame = _frame(connection, query, {"check_pk": "int64"})
    return frame.assign(check_id=frame["check_id"].map(str).astype(object)).set_index("check_pk")


def load_run_locations(connection: Connection) -> "pd.Series[str]":
    """Every run location's name by its key."""
    frame = _frame(connection, select(RunLocation.pk, RunLocation.name), {"pk": "int64"})
    return frame.set_index("pk")["name"]


def load_members(connection: Connection, window: Window) -> pd.DataFrame:
    """location_set_pk and run_location_pk of the sets that sessions of the window have."""
    used = select(CheckSession.location_set_pk).where(_started_in(CheckSession, window))
    query = select(LocationSetMember.location_set_pk, LocationSetMember.run_location_pk)
    return _frame(
        connection,
        query.where(LocationSetMember.location_set_pk.in_(used)),
        {"location_set_pk": "int64", "run_location_pk": "int64"},
    )


def load_location_sets(connection: Connection, window: Window) -> "pd.Series[Any]":
    """The sorted names of each set that a session of the window has, by the set's key."""
    used = select(CheckSession.location_set_pk).where(_started_in(CheckSession, window))
    query = (
        select(LocationSet.pk, RunLocation.name)
        .outerjoin(LocationSetMember, LocationSetMember.location_set_pk == LocationSet.pk)
        .outerjoin(RunLocation, RunLocation.pk == LocationSetMember.run_location_pk)
        .where(LocationSet.pk.in_(used))
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
    return _frame(connection, query, {"instants": "int64"})


def _snapshot(engine: Engine) -> Connection:
    """A connection whose transaction reads one state of the database and blocks no writer."""
    connection = engine.connect()
    if is_sqlite(engine):
        return connection.execution_options(recorder_readonly=True)
    return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _started_in(session: type[CheckSession], window: Window) -> ColumnElement[bool]:
    return and_(session.started_at >= window.start, session.started_at < window.end)


def _in_rates(session: type[CheckSession]) -> ColumnElement[bool]:
    return and_(session.final_at.is_not(None), session.excluded.is_(False), session.origin != "reconciled")


def _frame(connection: Connection, query: Select[*tuple[Any, ...]], kinds: Mapping[str, Any]) -> pd.DataFrame:
    """The rows as a frame, columns of `kinds` in those types and all others as objects, also when there is no row."""
    answer = connection.execute(query)
    names = list(answer.keys())
    rows: Sequence[Row[Any]] = answer.all()
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pd.DataFrame(
        {name: pd.Series(column, dtype=kinds.get(name, "object")) for name, column in zip(names, columns, strict=True)}
    )


def _slot(rows: pd.DataFrame) -> "pd.Series[Any]":
    """One integer for (session, run location): comparing half a million pairs is ten times faster this way."""
    return rows["session_pk"] * _MOST_LOCATIONS + rows["run_location_pk"]


def _last_of_each(connection: Connection, finals: pd.DataFrame) -> pd.DataFrame:
    """Keep one FINAL per (session, location): the last by (stopped_at, check_result_id).

    The times and ids are only fetched for the few results that have a rival.
    """
    keys = ["session_pk", "run_location_pk"]
    rivals = finals.loc[finals.duplicated(keys, keep=False), "result_pk"].tolist()
    if not rivals:
        return finals
    query = select(CheckResult.pk.label("result_pk"), CheckResult.stopped_at, CheckResult.check_result_id)
    kinds = {"result_pk": "int64", "stopped_at": _INSTANT}
    chunks = [rivals[start : start + _CHUNK] for start in range(0, len(rivals), _CHUNK)]
    fetched = [_frame(connection, query.where(CheckResult.pk.in_(chunk)), kinds) for chunk in chunks]
    ranked = finals.merge(pd.concat(fetched, ignore_index=True), on="result_pk", how="left")
    ranked = ranked.sort_values(["stopped_at", "check_result_id"], na_position="first", kind="stable")
    return ranked.drop_duplicates(keys, keep="last")[finals.columns]
