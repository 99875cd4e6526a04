"""SQL that measures where the rows are: daily levels of timeElapsed, weekly incidents, response times."""

from typing import Any, Final

import pandas as pd
from sqlalchemy import Connection, Double, Select, and_, bindparam, case, cast, func, select

from recorder.models import CheckResult, CheckSession
from recorder.outcomes import Outcome
from reports.frames import INSTANT, LEVEL_DAYS, PAIR, RATED
from reports.history_rows import epoch_ms, in_rates, integers, started_in
from reports.windows import Window, last_days

_WEEK_DAYS: Final = 7


def load_levels(connection: Connection, window: Window) -> pd.DataFrame:
    """One row per series and local day of the last LEVEL_DAYS: rated, failed, first_try, n, median_ms, first_at.

    The database sorts, day by day: eight weeks of sessions never come into memory. A median is that of type 7.
    """
    query, rows = _levels_of_a_day(connection), []
    for day in last_days(window, LEVEL_DAYS):
        found = connection.execute(query, {"start": day.start, "end": day.end})
        rows += [(day.label, *row) for row in found]
    table = pd.DataFrame(rows, columns=["day", *query.selected_columns.keys()])
    kinds = dict.fromkeys(("check_pk", "location_set_pk", "rated", "failed", "first_try", "n"), "int64")
    return table.astype(kinds | {"median_ms": "float64"}).assign(
        day=pd.to_datetime(table["day"], format="%Y-%m-%d"),
        first_at=pd.to_datetime(table["first_at"].astype("int64"), unit="ms", utc=True).astype(INSTANT),
    )


def _levels_of_a_day(connection: Connection) -> Select[*tuple[Any, ...]]:
    """The sessions that started in [:start, :end), counted per series; a median is the mean of the middle two."""
    sampled = and_(CheckSession.outcome != Outcome.FAIL, ~CheckSession.has_attempts)
    keys = (CheckSession.check_pk, CheckSession.location_set_pk)
    measured = case((and_(sampled, CheckSession.time_elapsed_ms.is_not(None)), 1), else_=0).label("measured")
    group = (*keys, measured)
    started = and_(CheckSession.started_at >= bindparam("start"), CheckSession.started_at < bindparam("end"))
    inner = select(
        *keys,
        measured,
        CheckSession.time_elapsed_ms,
        CheckSession.started_at,
        case((CheckSession.outcome == Outcome.FAIL, 1), else_=0).label("failed"),
        case((sampled, 1), else_=0).label("first_try"),
        func.row_number().over(partition_by=group, order_by=CheckSession.time_elapsed_ms).label("place"),
        func.count().over(partition_by=group).label("size"),
    ).where(started, in_rates(CheckSession), CheckSession.outcome.in_(RATED))
    one = inner.subquery().c
    middle = and_(one.measured == 1, one.place.in_([(one.size + 1) // 2, (one.size + 2) // 2]))
    return (
        select(
            one.check_pk,
            one.location_set_pk,
            func.count().label("rated"),
            *(func.sum(one[name]).label(name) for name in ("failed", "first_try")),
            func.sum(one.measured).label("n"),
            func.avg(case((middle, cast(one.time_elapsed_ms, Double)))).label("median_ms"),
            epoch_ms(connection, func.min(one.started_at)).label("first_at"),
        )
        .group_by(one.check_pk, one.location_set_pk)
        .order_by(one.check_pk, one.location_set_pk)
    )


def load_incidents(connection: Connection, window: Window) -> pd.DataFrame:
    """Maximal runs of failed sessions in each week that levels are read of, a week being a span of its own.

    One row per check with a rated session in it: week (`levels.week_numbers`, without the oldest), check_pk, incidents.
    """
    days, rows = last_days(window, LEVEL_DAYS), []
    query = _incidents_of_a_span()
    for week in range(1, LEVEL_DAYS // _WEEK_DAYS):
        first, last = days[week * _WEEK_DAYS], days[week * _WEEK_DAYS + _WEEK_DAYS - 1]
        found = connection.execute(query, {"start": first.start, "end": last.end})
        rows += [(week, *row) for row in found]
    return pd.DataFrame(rows, columns=["week", "check_pk", "incidents"], dtype="int64")


def _incidents_of_a_span() -> Select[*tuple[Any, ...]]:
    """Per check the rated sessions that failed in [:start, :end) and whose predecessor there did not."""
    failed = case((CheckSession.outcome == Outcome.FAIL, 1), else_=0)
    order = (CheckSession.started_at, CheckSession.check_session_id)
    started = and_(CheckSession.started_at >= bindparam("start"), CheckSession.started_at < bindparam("end"))
    one = (
        select(
            CheckSession.check_pk,
            failed.label("failed"),
            func.lag(failed, 1, 0).over(partition_by=CheckSession.check_pk, order_by=order).label("failed_before"),
        )
        .where(started, in_rates(CheckSession), CheckSession.outcome.in_(RATED))
        .subquery()
        .c
    )
    begins = case((and_(one.failed == 1, one.failed_before == 0), 1), else_=0)
    return select(one.check_pk, func.sum(begins)).group_by(one.check_pk)


def load_response(connection: Connection, window: Window) -> pd.DataFrame:
    """Response time of the window's results that were ok at the first try, per PAIR: n, median_ms, p95_ms."""
    query = (
        select(CheckSession.check_pk, CheckResult.run_location_pk, CheckResult.response_time_ms)
        .join(CheckSession, CheckSession.pk == CheckResult.session_pk)
        .where(started_in(CheckSession, window), in_rates(CheckSession), CheckResult.result_type == "FINAL")
        .where(CheckResult.outcome.in_([Outcome.PASS, Outcome.DEGRADED]), CheckResult.attempts == 0)
        .where(CheckResult.response_time_ms.is_not(None))
    )
    times = integers(connection, query, kind="float64").astype(dict.fromkeys(PAIR, "int64"))
    values = times.groupby(list(PAIR))["response_time_ms"]
    return pd.DataFrame({"n": values.size(), "median_ms": values.median(), "p95_ms": values.quantile(0.95)})
