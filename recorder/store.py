"""Every write of sessions, results and raw payloads. Takes a `Session`, never commits.

The rules that keep the history whole, whatever arrives in whatever order and however often:

* results are keyed by `check_result_id`, sessions by `check_session_id`; nothing is ever inserted twice;
* the newest final answer wins; the answer of a running session never undoes a final one, it only fills what is missing;
* `final_at` is set once;
* a session takes its results from a stand-in, which was put together from them while nobody knew the session;
* whatever shows a session ends its row of 404s;
* writing the same answer again changes no row at all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, case, false, func, literal_column, or_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from recorder.bulk import BulkMerge, BulkSelect, Columns, insert_new, new_keys
from recorder.dimensions import check_keys, location_keys, location_set_keys, table_of, upserting_for
from recorder.models import CheckSession
from recorder.outcomes import session_outcome
from recorder.payload_store import add_payloads, count_surprises, keep_payloads, kept_already
from recorder.payloads import SessionSnapshot
from recorder.result_store import PlacedResults, add_results, mark_partial, record_results

TAKEN_ID: Final = "checkResultId of another session"
"""The surprise that stands for each result left out because its id belongs to a session that was there first."""


class Recording(NamedTuple):
    """One answer to write, and what the recorder has decided about it.

    `closes` says that the session is over for the recorder: its status is final and no location is awaited any more.
    Otherwise it stays open and is asked for again at `next_poll_at` (None: it is not followed, or the time set before
    stands) until `deadline_at`. `origin` is schedule, manual, import, backfill or reconciled; the first one stays.
    """

    snapshot: SessionSnapshot
    origin: str
    closes: bool
    fire_pk: int | None = None
    next_poll_at: datetime | None = None
    deadline_at: datetime | None = None
    cancel_on_timeout: bool = False
    expected_at: datetime | None = None
    """When the session is expected to end; the earliest is asked for first. None: at `next_poll_at`."""
    excluded: bool = False
    """Whether a session that is new stays out of the rates."""


@dataclass(frozen=True, slots=True)
class Postponement:
    """Nothing new was seen of an open session: when to ask again (None: never), and why it is given up, if it is."""

    session_pk: int
    next_poll_at: datetime | None
    missing_since: datetime | None = None
    abandoned_at: datetime | None = None
    abandoned_reason: str | None = None
    expected_at: datetime | None = None
    """As in `Recording`."""
    final_at: datetime | None = None
    """Since when the session is over with what is stored of it, although nothing more was seen."""


@dataclass(frozen=True, slots=True)
class Written:
    """How many sessions and results a call added; `closed` counts sessions that became final in it."""

    sessions: int = 0
    results: int = 0
    closed: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.sessions + other.sessions, self.results + other.results, self.closed + other.closed)


class _Keys(NamedTuple):
    """The keys of what a batch of sessions points at: checks by the numbers behind their ids, locations, their sets."""

    checks: dict[int, int]
    locations: dict[str, int]
    sets: dict[tuple[str, ...], int]


class _Placed(NamedTuple):
    """One answer with the key and the state of its session's row after the upsert."""

    snapshot: SessionSnapshot
    session_pk: int
    status: str
    is_stale: bool
    is_partial: bool


def record_sessions(db: Session, recordings: Sequence[Recording], *, now: datetime) -> Written:
    """Write sessions with their results and raw payloads; one transaction of the caller holds them all."""
    written = Written()
    for batch in _without_repeats(recordings):
        written += _record_batch(db, batch, now)
    return written


def _without_repeats(recordings: Sequence[Recording]) -> list[Sequence[Recording]]:
    """Split so that no batch holds a session twice; the order of answers about one session is kept."""
    numbers = [recording.snapshot.check_session_id.int for recording in recordings]
    if len(set(numbers)) == len(numbers):
        return [recordings] if recordings else []
    batches: list[list[Recording]] = []
    turns = Counter[int]()
    for recording, number in zip(recordings, numbers, strict=True):
        turn = turns[number]
        turns[number] += 1
        if turn == len(batches):
            batches.append([])
        batches[turn].append(recording)
    return [*batches]


def _record_batch(db: Session, batch: Sequence[Recording], now: datetime) -> Written:
    connection = db.connection()
    snapshots = [recording.snapshot for recording in batch]
    locations = location_keys(connection, _location_names(snapshots))
    sets = location_set_keys(connection, {snapshot.run_locations for snapshot in snapshots}, locations)
    keys = _Keys({one.int: pk for one, pk in check_keys(connection, snapshots).items()}, locations, sets)
    before = _stored_sessions(connection, snapshots)
    if before:
        return _merge_batch(db, batch, keys, before, now)
    if connection.dialect.name == "sqlite":  # nobody else writes until this transaction is over
        return _add_batch(db, batch, keys, now)
    try:
        with connection.begin_nested():
            return _add_batch(db, batch, keys, now)
    except IntegrityError:  # another daemon has just written one of them, or an id of a result comes twice
        return _merge_batch(db, batch, keys, _stored_sessions(connection, snapshots), now)


def _add_batch(db: Session, batch: Sequence[Recording], keys: _Keys, now: datetime) -> Written:
    """Write sessions of which nothing is stored. Raises IntegrityError when something is after all."""
    connection, table = db.connection(), table_of(CheckSession)
    pks = new_keys(connection, table, len(batch))
    partial = [recording.closes and recording.snapshot.lacks_finals for recording in batch]
    columns = {"pk": pks, **_session_columns(batch, keys, now), "is_partial": partial}
    insert_new(connection, table, columns, order_by="check_session_id")
    answers = {pk: recording.snapshot for pk, recording in zip(pks, batch, strict=True)}
    placed = [PlacedResults(pk, snapshot.status, snapshot.results) for pk, snapshot in answers.items()]
    results, elsewhere = add_results(db, placed, keys.locations)
    mark_partial(db, list(elsewhere))
    odd = [what for one in answers.values() for what in one.surprises]
    count_surprises(connection, [*odd, *[TAKEN_ID] * elsewhere.total()], now=now)
    add_payloads(connection, answers, now=now)
    return Written(sessions=len(batch), results=results, closed=sum(recording.closes for recording in batch))


def _merge_batch(
    db: Session, batch: Sequence[Recording], keys: _Keys, before: Mapping[UUID, "_Stored"], now: datetime
) -> Written:
    """Write sessions of which some may be stored, each field by the rules above."""
    connection = db.connection()
    snapshots = [recording.snapshot for recording in batch]
    _session_merge(connection.dialect.name, keys.sets.get(())).run(connection, _session_columns(batch, keys, now))
    after = _stored_sessions(connection, snapshots)
    placed = [_placed(snapshot, after) for snapshot in snapshots]
    results = [PlacedResults(one.session_pk, one.status, one.snapshot.results, one.is_stale) for one in placed]
    added, elsewhere = record_results(db, results, keys.locations)
    mark_partial(db, [one.session_pk for one in placed if one.is_partial or one.snapshot.lacks_finals])
    answers = {one.session_pk: one.snapshot for one in placed if not one.is_stale}
    odd = {pk: one.surprises + (TAKEN_ID,) * elsewhere[pk] for pk, one in answers.items()}
    known = kept_already(connection, {pk: answers[pk] for pk, surprises in odd.items() if surprises})
    count_surprises(connection, [what for pk in odd.keys() - known for what in odd[pk]], now=now)
    keep_payloads(connection, answers, now=now)
    closed = sum(after[key].is_final and not (key in before and before[key].is_final) for key in after)
    return Written(sessions=len(after) - len(before), results=added, closed=closed)


def _location_names(snapshots: Iterable[SessionSnapshot]) -> set[str]:
    names = {name for snapshot in snapshots for name in snapshot.run_locations}
    return names | {result.run_location for snapshot in snapshots for result in snapshot.results}


class _Stored(NamedTuple):
    """What is stored of a session."""

    pk: int
    status: str
    outcome: str | None
    is_final: bool
    is_partial: bool


def _stored_sessions(connection: Connection, snapshots: Iterable[SessionSnapshot]) -> dict[UUID, _Stored]:
    found = _find_sessions().by_key(connection, [snapshot.check_session_id for snapshot in snapshots])
    return {check_session_id: _Stored(*row) for check_session_id, row in found.items()}


@cache
def _find_sessions() -> BulkSelect:
    sessions = table_of(CheckSession).c
    return BulkSelect(
        sessions.check_session_id,
        (sessions.pk, sessions.status, sessions.outcome, sessions.final_at.is_not(None), sessions.is_partial),
    )


def _session_columns(batch: Sequence[Recording], keys: _Keys, now: datetime) -> Columns:
    seen = [recording.snapshot for recording in batch]
    return {
        "check_session_id": [one.check_session_id for one in seen],
        "check_pk": [keys.checks[one.check_id.int] for one in seen],
        "fire_pk": [recording.fire_pk for recording in batch],
        "origin": [recording.origin for recording in batch],
        "status": [one.status for one in seen],
        "outcome": [_plain_outcome(one.status) for one in seen],
        "started_at": [one.started_at for one in seen],
        "stopped_at": [one.stopped_at for one in seen],
        "time_elapsed_ms": [one.time_elapsed_ms for one in seen],
        "run_source": [one.run_source for one in seen],
        "location_set_pk": [keys.sets[one.run_locations] for one in seen],
        "has_attempts": ["ATTEMPT" in [result.result_type for result in one.results] for one in seen],
        "excluded": [recording.excluded for recording in batch],
        "recorded_at": [now] * len(batch),
        "settling_since": [now if not r.closes and r.snapshot.is_final else None for r in batch],
        "final_at": [now if recording.closes else None for recording in batch],
        "missing_since": [None] * len(batch),
        "next_poll_at": [None if r.closes else r.next_poll_at for r in batch],
        "expected_at": [None if r.closes else r.expected_at or r.next_poll_at for r in batch],
        "deadline_at": [recording.deadline_at for recording in batch],
        "cancel_on_timeout": [recording.cancel_on_timeout for recording in batch],
    }


@lru_cache(maxsize=64)
def _plain_outcome(status: str) -> str | None:
    """As plain text, which the drivers take as it is; there are few statuses, and many sessions."""
    outcome = session_outcome(status)
    return None if outcome is None else outcome.value


@cache
def _session_merge(dialect: str, no_locations: int | None) -> BulkMerge:
    """Insert or merge; `no_locations` is the key of the empty set, which never replaces a known one."""
    table = table_of(CheckSession)
    insert = upserting_for(dialect, table)
    old, new = table.c, insert.excluded
    stale = old.outcome.is_not(None) & new.outcome.is_(None)

    def fresh(column: str) -> ColumnElement[Any]:
        """The newer value; from a stale answer only what was missing."""
        kept, came = old[column], new[column]
        return case((stale, func.coalesce(kept, came)), else_=func.coalesce(came, kept))

    final_at = func.coalesce(old.final_at, new.final_at)
    nowhere = false() if no_locations is None else new.location_set_pk == literal_column(str(no_locations))
    changes = {
        "fire_pk": func.coalesce(old.fire_pk, new.fire_pk),
        "status": fresh("status"),
        "outcome": fresh("outcome"),
        "started_at": fresh("started_at"),
        "stopped_at": fresh("stopped_at"),
        "time_elapsed_ms": fresh("time_elapsed_ms"),
        "run_source": fresh("run_source"),
        "location_set_pk": case((or_(stale, nowhere), old.location_set_pk), else_=new.location_set_pk),
        "has_attempts": or_(old.has_attempts, new.has_attempts),
        "settling_since": func.coalesce(old.settling_since, new.settling_since),
        "final_at": final_at,
        "missing_since": new.missing_since,
        "next_poll_at": case((final_at.is_(None), func.coalesce(new.next_poll_at, old.next_poll_at))),
        "expected_at": case((final_at.is_(None), func.coalesce(new.expected_at, old.expected_at))),
        "deadline_at": func.coalesce(old.deadline_at, new.deadline_at),
    }
    statement = insert.on_conflict_do_update(index_elements=[old.check_session_id], set_=changes)
    set_once = ("check_session_id", "check_pk", "origin", "excluded", "recorded_at", "cancel_on_timeout")
    return BulkMerge(statement, frozenset((*set_once, *changes)), "check_session_id")


def _placed(snapshot: SessionSnapshot, rows: Mapping[UUID, _Stored]) -> _Placed:
    row = rows[snapshot.check_session_id]
    stale = row.outcome is not None and not snapshot.is_final
    return _Placed(snapshot, row.pk, row.status, stale, row.is_partial)
