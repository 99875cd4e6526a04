"""Every write of results. Takes a `Session`, never commits; `store.py` calls it for the sessions it has written."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, Update, func, select, update
from sqlalchemy.orm import Session

from recorder.bulk import BulkInsert, BulkSelect, among
from recorder.columns import UuidKey
from recorder.dimensions import table_of, upserting_for
from recorder.models import CheckResult, CheckSession, LocationSetMember
from recorder.outcomes import Outcome, result_outcome
from recorder.payloads import ResultSnapshot

_UUID: Final = UuidKey()


@dataclass(frozen=True, slots=True)
class PlacedResults:
    """The results of one answer, with the key and the status of the session's row after the answer was written.

    `is_stale`: the answer is of a running session that is final already. `is_new`: the session's row was made in this
    transaction, so nothing can be stored of it.
    """

    session_pk: int
    status: str
    is_stale: bool
    results: tuple[ResultSnapshot, ...]
    is_new: bool


class _KnownResult(NamedTuple):
    """What is needed of a result to tell which attempts belong to which FINAL."""

    check_result_id: UUID
    run_location_pk: int
    result_type: str | None


def record_results(
    db: Session, placed: Sequence[PlacedResults], locations: Mapping[str, int]
) -> tuple[int, Counter[int]]:
    """Write the results and give every FINAL its number of attempts.

    `locations` holds the key of each location named. The sessions' rows are written already. Returns how many results
    are new, and for each session how many of its results were left out because another session has their ids.
    """
    known = _known_results(db, [entry.session_pk for entry in placed if not entry.is_new])
    fresh: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    corrections: list[dict[str, Any]] = []
    added = 0
    owners: dict[UUID, int] = {}
    elsewhere = Counter[int]()
    for entry in placed:
        stored = known.get(entry.session_pk, {})
        results = [
            one for one in entry.results if owners.setdefault(one.check_result_id, entry.session_pk) == entry.session_pk
        ]
        elsewhere[entry.session_pk] += len(entry.results) - len(results)
        named = {result.check_result_id for result in results}
        attempts: dict[UUID, int] = {}  # of most sessions nothing is stored, and nobody tried twice
        if stored or any(result.result_type == "ATTEMPT" for result in results):
            together = stored | {r.check_result_id: _known_result(r, locations) for r in results}
            attempts = attempts_of_finals(together.values())
        added += len(named.difference(stored))
        if entry.is_stale:
            gaps += [
                _result_row(entry, one, locations, attempts) for one in results if one.check_result_id not in stored
            ]
        else:
            fresh += [_result_row(entry, result, locations, attempts) for result in results]
        corrections += [{"id_": key, "n": n} for key, n in attempts.items() if key in stored and key not in named]
    written = _upsert_results(db, fresh, gaps, are_new=not known)
    _correct_stored(db, placed, corrections)
    taken = Counter[int]() if written == len(fresh) + len(gaps) else _taken_ids(db, fresh + gaps)
    return added - taken.total(), elsewhere + taken


def mark_partial(db: Session, session_pks: Sequence[int]) -> None:
    """Write of each of these sessions whether it is closed and has fewer FINALs than run locations.

    By all that is stored, with the rule that `SessionSnapshot.missing_locations` has for one answer.
    """
    if session_pks:
        of_these = among(db, table_of(CheckSession).c.pk, session_pks)
        db.execute(_marking().where(of_these))


@cache
def _marking() -> Update:
    sessions, results, members = table_of(CheckSession), table_of(CheckResult), table_of(LocationSetMember)
    mine = (results.c.session_pk == sessions.c.pk) & (results.c.result_type == "FINAL")
    finals = select(func.count()).select_from(results).where(mine).scalar_subquery()
    expected = members.c.location_set_pk == sessions.c.location_set_pk
    locations = select(func.count()).select_from(members).where(expected).scalar_subquery()
    partial = sessions.c.final_at.is_not(None) & (finals < locations)
    return update(sessions).values(is_partial=partial)


def _taken_ids(db: Session, rows: Sequence[Mapping[str, Any]]) -> Counter[int]:
    """For each session how many of these rows' ids belong to another session."""
    results = table_of(CheckResult)
    ids = [row["check_result_id"] for row in rows]
    found = db.execute(
        select(results.c.check_result_id, results.c.session_pk).where(among(db, results.c.check_result_id, ids))
    )
    owners = dict(found.all())
    return Counter(row["session_pk"] for row in rows if owners[row["check_result_id"]] != row["session_pk"])


def _known_results(db: Session, session_pks: Sequence[int]) -> dict[int, dict[UUID, _KnownResult]]:
    dialect = db.get_bind().dialect
    found: dict[int, dict[UUID, _KnownResult]] = {}
    for session_pk, raw_id, run_location_pk, result_type in _find_results().rows(db, session_pks):
        check_result_id = cast(UUID, _UUID.process_result_value(raw_id, dialect))
        found.setdefault(session_pk, {})[check_result_id] = _KnownResult(check_result_id, run_location_pk, result_type)
    return found


@cache
def _find_results() -> BulkSelect:
    results = table_of(CheckResult).c
    return BulkSelect(results.session_pk, (results.check_result_id, results.run_location_pk, results.result_type))


def _known_result(result: ResultSnapshot, locations: Mapping[str, int]) -> _KnownResult:
    return _KnownResult(result.check_result_id, locations[result.run_location], result.result_type)


def attempts_of_finals(results: Iterable[_KnownResult]) -> dict[UUID, int]:
    """How many attempts belong to each FINAL of one session.

    An ATTEMPT belongs to the FINAL of the location where it ran, or to the only FINAL there is: a round-robin check may
    retry elsewhere (statistics, section 3).
    """
    listed = list(results)
    finals = [result for result in listed if result.result_type == "FINAL"]
    tries = Counter(result.run_location_pk for result in listed if result.result_type == "ATTEMPT")
    if len(finals) == 1:
        return {finals[0].check_result_id: tries.total()}
    return {final.check_result_id: tries[final.run_location_pk] for final in finals}


def _result_row(
    entry: PlacedResults, result: ResultSnapshot, locations: Mapping[str, int], attempts: Mapping[UUID, int]
) -> dict[str, Any]:
    return {
        "check_result_id": result.check_result_id,
        "session_pk": entry.session_pk,
        "run_location_pk": locations[result.run_location],
        "result_type": result.result_type,
        "has_errors": result.has_errors,
        "has_failures": result.has_failures,
        "is_degraded": result.is_degraded,
        "aborted": result.aborted,
        "is_cancelled": result.is_cancelled,
        "outcome": result_outcome(
            session_status=entry.status,
            has_errors=result.has_errors,
            has_failures=result.has_failures,
            is_degraded=result.is_degraded,
            aborted=result.aborted,
            is_cancelled=result.is_cancelled,
        ),
        "attempts": attempts.get(result.check_result_id, 0),
        "response_time_ms": result.response_time_ms,
        "started_at": result.started_at,
        "stopped_at": result.stopped_at,
    }


def _upsert_results(db: Session, fresh: list[dict[str, Any]], gaps: list[dict[str, Any]], *, are_new: bool) -> int:
    """Insert or merge the fresh rows, insert the gaps; how many were written: an id of another session's is not."""
    merge, fill = _inserts(db.get_bind().dialect.name)
    return merge.run(db, fresh, are_new=are_new) + fill.run(db, gaps)


@cache
def _inserts(dialect: str) -> tuple[BulkInsert, BulkInsert]:
    """One that merges into what is there, and one that leaves it alone."""
    table = table_of(CheckResult)
    insert = upserting_for(dialect, table)
    kept_when_absent = (
        *("result_type", "has_errors", "has_failures", "is_degraded", "aborted", "is_cancelled"),
        *("response_time_ms", "started_at", "stopped_at"),
    )
    changes: dict[str, Any] = {name: _coalesced(table, insert.excluded, name) for name in kept_when_absent}
    changes |= {"outcome": insert.excluded.outcome, "attempts": insert.excluded.attempts}
    merge = insert.on_conflict_do_update(
        index_elements=[table.c.check_result_id],
        set_=changes,
        where=table.c.session_pk == insert.excluded.session_pk,
    )
    columns = frozenset({"check_result_id", "session_pk", "run_location_pk", *changes})
    fill = insert.on_conflict_do_nothing()
    return BulkInsert(merge, columns, "check_result_id"), BulkInsert(fill, columns, "check_result_id")


def _coalesced(table: Table, excluded: Any, column: str) -> ColumnElement[Any]:
    return func.coalesce(excluded[column], table.c[column])


def _correct_stored(db: Session, placed: Sequence[PlacedResults], corrections: Sequence[Mapping[str, Any]]) -> None:
    """Mend results that this answer does not repeat: their attempts may have grown, their session may be void."""
    table = table_of(CheckResult)
    for correction in corrections:
        changed = (table.c.check_result_id == correction["id_"]) & (table.c.attempts != correction["n"])
        db.execute(update(table).where(changed).values(attempts=correction["n"]))
    cancelled = [entry.session_pk for entry in placed if entry.status == "CANCELLED"]
    if cancelled:
        stale = table.c.session_pk.in_(cancelled) & (table.c.outcome != Outcome.VOID)
        db.execute(update(table).where(stale).values(outcome=Outcome.VOID))
