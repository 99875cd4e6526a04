"""Every write of results. Takes a `Session`, never commits; `store.py` calls it for the sessions it has written."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, Update, func, select, update
from sqlalchemy.orm import Session

from recorder.bulk import BulkMerge, BulkSelect, Columns, among, insert_new
from recorder.columns import UuidKey
from recorder.dimensions import table_of, upserting_for
from recorder.models import CheckResult, CheckSession, LocationSetMember
from recorder.outcomes import STAND_INS, Outcome, result_outcome
from recorder.payloads import ResultSnapshot
from recorder.stand_in_store import drop_stand_ins

_UUID: Final = UuidKey()
_FLAGS: Final = ("has_errors", "has_failures", "is_degraded", "aborted", "is_cancelled")
_PLAIN: Final = ("check_result_id", "result_type", *_FLAGS, "response_time_ms", "started_at", "stopped_at")
"""What stands in a result's row as it does in the answer."""
_GETTERS: Final = {name: attrgetter(name) for name in _PLAIN}


class PlacedResults(NamedTuple):
    """The results of one answer, with the key and the status of the session's row after the answer was written.

    `is_stale`: the answer is of a running session that is final already.
    """

    session_pk: int
    status: str
    results: tuple[ResultSnapshot, ...]
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the rows of results are made of, in lists of one length."""

    session_pks: list[int] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    results: list[ResultSnapshot] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)

    def add(self, entry: PlacedResults, results: Sequence[ResultSnapshot], attempts: Mapping[UUID, int]) -> None:
        """Some results of one answer."""
        self.session_pks.extend([entry.session_pk] * len(results))
        self.statuses.extend([entry.status] * len(results))
        self.results.extend(results)
        self.attempts.extend([attempts.get(one.check_result_id, 0) if attempts else 0 for one in results])

    def columns(self, locations: Mapping[str, int]) -> Columns:
        """As the table has them."""
        plain = {name: list(map(get, self.results)) for name, get in _GETTERS.items()}
        return {
            **plain,
            "session_pk": self.session_pks,
            "run_location_pk": [locations[result.run_location] for result in self.results],
            "outcome": list(map(_outcome, self.statuses, *(plain[flag] for flag in _FLAGS))),
            "attempts": self.attempts,
        }


class _KnownResult(NamedTuple):
    """What is needed of a result to tell which attempts belong to which FINAL."""

    check_result_id: UUID
    run_location_pk: int
    result_type: str | None


def add_results(db: Session, placed: Sequence[PlacedResults], locations: Mapping[str, int]) -> tuple[int, Counter[int]]:
    """Write the results of sessions that are new; the rest is as in `record_results`.

    Raises IntegrityError on PostgreSQL, where COPY cannot leave one out, when the id of a result is taken.
    """
    connection, rows = db.connection(), _Rows()
    for entry in placed:
        rows.add(entry, entry.results, _attempts({}, entry.results, locations))
    columns = rows.columns(locations)
    if connection.dialect.name != "sqlite":
        insert_new(connection, table_of(CheckResult), columns, order_by="check_result_id")
        return len(rows.results), Counter()
    _, fill = _merges("sqlite")
    written = fill.run(connection, columns)
    if written < len(rows.results) and drop_stand_ins(db, _ids_of_real_sessions(placed)):
        written += fill.run(connection, columns)
    taken = Counter[int]() if written == len(rows.results) else _taken_ids(connection, rows)
    return len(rows.results) - taken.total(), taken


def record_results(
    db: Session, placed: Sequence[PlacedResults], locations: Mapping[str, int]
) -> tuple[int, Counter[int]]:
    """Write the results and give every FINAL its number of attempts.

    `locations` holds the key of each location named. The sessions' rows are written already. Returns how many results
    are new, and for each session how many of its results were left out because another session has their ids.
    """
    connection = db.connection()
    known = _known_results(connection, [entry.session_pk for entry in placed])
    fresh, gaps = _Rows(), _Rows()
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
        attempts = _attempts(stored, results, locations)
        added += len(named.difference(stored))
        if entry.is_stale:
            gaps.add(entry, [one for one in results if one.check_result_id not in stored], attempts)
        else:
            fresh.add(entry, results, attempts)
        corrections += [{"id_": key, "n": n} for key, n in attempts.items() if key in stored and key not in named]
    written = _merge(connection, fresh, gaps, locations)
    if written < len(fresh.results) + len(gaps.results) and drop_stand_ins(db, _ids_of_real_sessions(placed)):
        written = _merge(connection, fresh, gaps, locations)
    _correct_stored(db, placed, corrections)
    taken = Counter[int]()
    if written < len(fresh.results) + len(gaps.results):
        taken = _taken_ids(connection, fresh) + _taken_ids(connection, gaps)
    return added - taken.total(), elsewhere + taken


def _merge(connection: Connection, fresh: _Rows, gaps: _Rows, locations: Mapping[str, int]) -> int:
    merge, fill = _merges(connection.dialect.name)
    return merge.run(connection, fresh.columns(locations)) + fill.run(connection, gaps.columns(locations))


def _ids_of_real_sessions(placed: Iterable[PlacedResults]) -> list[UUID]:
    """Of sessions that Checkly told us of; a stand-in takes nothing from another one."""
    real = (entry for entry in placed if entry.status not in STAND_INS)
    return [result.check_result_id for entry in real for result in entry.results]


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


def _taken_ids(connection: Connection, rows: _Rows) -> Counter[int]:
    """For each session how many of these rows' ids belong to another session."""
    ids = [result.check_result_id for result in rows.results]
    owners = _find_owners().by_key(connection, ids)
    return Counter(pk for pk, one in zip(rows.session_pks, ids, strict=True) if owners[one] != (pk,))


@cache
def _find_owners() -> BulkSelect:
    results = table_of(CheckResult).c
    return BulkSelect(results.check_result_id, (results.session_pk,))


def _known_results(connection: Connection, session_pks: Sequence[int]) -> dict[int, dict[UUID, _KnownResult]]:
    dialect = connection.dialect
    found: dict[int, dict[UUID, _KnownResult]] = {}
    for session_pk, raw_id, run_location_pk, result_type in _find_results().rows(connection, session_pks):
        check_result_id = cast(UUID, _UUID.process_result_value(raw_id, dialect))
        found.setdefault(session_pk, {})[check_result_id] = _KnownResult(check_result_id, run_location_pk, result_type)
    return found


@cache
def _find_results() -> BulkSelect:
    results = table_of(CheckResult).c
    return BulkSelect(results.session_pk, (results.check_result_id, results.run_location_pk, results.result_type))


def _attempts(
    stored: Mapping[UUID, _KnownResult], results: Sequence[ResultSnapshot], locations: Mapping[str, int]
) -> dict[UUID, int]:
    """The attempts of each FINAL; empty where none can have any, as for most: nothing is stored and nobody retried."""
    if not stored and "ATTEMPT" not in [result.result_type for result in results]:
        return {}
    shown = {
        one.check_result_id: _KnownResult(one.check_result_id, locations[one.run_location], one.result_type)
        for one in results
    }
    return attempts_of_finals({**stored, **shown}.values())


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


@lru_cache(maxsize=1024)
def _outcome(status: str, *flags: bool | None) -> str:
    """As plain text, of a session's status and its result's `_FLAGS`; there are few cases, and many results."""
    return result_outcome(session_status=status, **dict(zip(_FLAGS, flags, strict=True))).value


@cache
def _merges(dialect: str) -> tuple[BulkMerge, BulkMerge]:
    """One that merges into what is there, and one that leaves it alone."""
    table = table_of(CheckResult)
    insert = upserting_for(dialect, table)
    kept_when_absent = ("result_type", *_FLAGS, "response_time_ms", "started_at", "stopped_at")
    changes: dict[str, Any] = {name: _coalesced(table, insert.excluded, name) for name in kept_when_absent}
    changes |= {"outcome": insert.excluded.outcome, "attempts": insert.excluded.attempts}
    merge = insert.on_conflict_do_update(
        index_elements=[table.c.check_result_id],
        set_=changes,
        where=table.c.session_pk == insert.excluded.session_pk,
    )
    columns = frozenset({"check_result_id", "session_pk", "run_location_pk", *changes})
    fill = insert.on_conflict_do_nothing()
    return BulkMerge(merge, columns, "check_result_id"), BulkMerge(fill, columns, "check_result_id")


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
