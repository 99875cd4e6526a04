"""Every write of sessions, results and raw payloads. Takes a `Session`, never commits.

The rules that keep the history whole, whatever arrives in whatever order and however often:

* results are keyed by `check_result_id`, sessions by `check_session_id`; nothing is ever inserted twice;
* the newest final answer wins; the answer of a running session never undoes a final one, it only fills what is missing;
* `final_at` is set once;
* whatever shows a session ends its row of 404s;
* writing the same answer again changes no row at all.
"""

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, case, false, func, literal_column, or_, select
from sqlalchemy.orm import Session

from recorder.bulk import BulkInsert, BulkSelect
from recorder.dimensions import check_keys, location_keys, location_set_keys, table_of, upserting, upserting_for
from recorder.models import CheckSession, ContractSurprise, Payload
from recorder.outcomes import session_outcome
from recorder.payloads import Malformed, SessionSnapshot
from recorder.result_store import PlacedResults, mark_partial, record_results

TAKEN_ID: Final = "checkResultId of another session"
"""The surprise that stands for each result left out because its id belongs to a session that was there first."""


@dataclass(frozen=True, slots=True)
class Recording:
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


def record_malformed(
    db: Session, pieces: Iterable[Malformed], *, now: datetime, kind: str = "malformed", fire_pk: int | None = None
) -> None:
    """Keep what could not be read, with the reason, for a person or a later version to read."""
    rows = [
        {
            "kind": kind,
            "fire_pk": fire_pk,
            "received_at": now,
            "why": piece.why[:400],
            "body": zlib.compress(piece.raw),
        }
        for piece in pieces
    ]
    if rows:
        db.execute(table_of(Payload).insert(), rows)


def _without_repeats(recordings: Sequence[Recording]) -> list[list[Recording]]:
    """Split so that no batch holds a session twice; the order of answers about one session is kept."""
    batches: list[list[Recording]] = []
    turns: Counter[UUID] = Counter()
    for recording in recordings:
        turn = turns[recording.snapshot.check_session_id]
        turns[recording.snapshot.check_session_id] += 1
        if turn == len(batches):
            batches.append([])
        batches[turn].append(recording)
    return batches


def _record_batch(db: Session, batch: Sequence[Recording], now: datetime) -> Written:
    snapshots = [recording.snapshot for recording in batch]
    checks = check_keys(db, snapshots)
    locations = location_keys(db, _location_names(snapshots))
    sets = location_set_keys(db, {snapshot.run_locations for snapshot in snapshots}, locations)
    before = _stored_sessions(db, snapshots)
    insert = _session_insert(db.get_bind().dialect.name, sets.get(()))
    insert.run(db, [_session_row(r, checks, sets, now) for r in batch], are_new=not before)
    after = _stored_sessions(db, snapshots)
    placed = [_placed(snapshot, after) for snapshot in snapshots]
    nobody_else_writes = db.get_bind().dialect.name == "sqlite"
    added, elsewhere = record_results(
        db,
        [
            PlacedResults(
                one.session_pk,
                one.status,
                one.is_stale,
                one.snapshot.results,
                is_new=nobody_else_writes and one.snapshot.check_session_id not in before,
            )
            for one in placed
        ],
        locations,
    )
    mark_partial(db, [one.session_pk for one in placed if one.is_partial or one.snapshot.missing_locations])
    odd = [(one, one.snapshot.surprises + (TAKEN_ID,) * elsewhere[one.session_pk]) for one in placed]
    _count_surprises(db, _not_kept_yet(db, odd), now)
    _upsert_payloads(db, placed, now, are_new=not before)
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


def _stored_sessions(db: Session, snapshots: Iterable[SessionSnapshot]) -> dict[UUID, _Stored]:
    found = _find_sessions().by_key(db, {snapshot.check_session_id for snapshot in snapshots})
    return {check_session_id: _Stored(*row) for check_session_id, row in found.items()}


@cache
def _find_sessions() -> BulkSelect:
    sessions = table_of(CheckSession).c
    return BulkSelect(
        sessions.check_session_id,
        (sessions.pk, sessions.status, sessions.outcome, sessions.final_at.is_not(None), sessions.is_partial),
    )


def _session_row(
    recording: Recording, checks: Mapping[UUID, int], sets: Mapping[tuple[str, ...], int], now: datetime
) -> dict[str, Any]:
    snapshot = recording.snapshot
    return {
        "check_session_id": snapshot.check_session_id,
        "check_pk": checks[snapshot.check_id],
        "fire_pk": recording.fire_pk,
        "origin": recording.origin,
        "status": snapshot.status,
        "outcome": session_outcome(snapshot.status),
        "started_at": snapshot.started_at,
        "stopped_at": snapshot.stopped_at,
        "time_elapsed_ms": snapshot.time_elapsed_ms,
        "run_source": snapshot.run_source,
        "location_set_pk": sets[snapshot.run_locations],
        "has_attempts": any(result.result_type == "ATTEMPT" for result in snapshot.results),
        "excluded": False,
        "recorded_at": now,
        "settling_since": now if snapshot.is_final and not recording.closes else None,
        "final_at": now if recording.closes else None,
        "missing_since": None,
        "next_poll_at": None if recording.closes else recording.next_poll_at,
        "expected_at": None if recording.closes else recording.expected_at or recording.next_poll_at,
        "deadline_at": recording.deadline_at,
        "cancel_on_timeout": recording.cancel_on_timeout,
    }


@cache
def _session_insert(dialect: str, no_locations: int | None) -> BulkInsert:
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
    return BulkInsert(statement, frozenset((*set_once, *changes)), "check_session_id")


def _placed(snapshot: SessionSnapshot, rows: Mapping[UUID, _Stored]) -> _Placed:
    row = rows[snapshot.check_session_id]
    stale = row.outcome is not None and not snapshot.is_final
    return _Placed(snapshot, row.pk, row.status, stale, row.is_partial)


def _upsert_payloads(db: Session, placed: Sequence[_Placed], now: datetime, *, are_new: bool) -> None:
    """Keep the newest raw answer of each session; a stale one never replaces a final one."""
    rows = [
        {
            "kind": "session",
            "session_pk": entry.session_pk,
            "received_at": now,
            "body": zlib.compress(entry.snapshot.raw),
        }
        for entry in placed
        if not entry.is_stale
    ]
    _payload_insert(db.get_bind().dialect.name).run(db, rows, are_new=are_new)


@cache
def _payload_insert(dialect: str) -> BulkInsert:
    table = table_of(Payload)
    insert = upserting_for(dialect, table)
    statement = insert.on_conflict_do_update(
        index_elements=[table.c.session_pk],
        set_={"received_at": insert.excluded.received_at, "body": insert.excluded.body},
        where=table.c.body != insert.excluded.body,
    )
    return BulkInsert(statement, frozenset({"kind", "session_pk", "received_at", "body"}), "session_pk")


def _not_kept_yet(db: Session, odd: Iterable[tuple[_Placed, tuple[str, ...]]]) -> list[str]:
    """The surprises of answers that are new: one that is kept already, or comes too late, was counted in its time."""
    surprising = {one.session_pk: (one, surprises) for one, surprises in odd if surprises and not one.is_stale}
    if not surprising:
        return []
    payloads = table_of(Payload)
    kept = select(payloads.c.session_pk, payloads.c.body).where(payloads.c.session_pk.in_(surprising))
    for session_pk, body in db.execute(kept):
        if zlib.decompress(body) == surprising[session_pk][0].snapshot.raw:
            del surprising[session_pk]
    return [what for _, surprises in surprising.values() for what in surprises]


def _count_surprises(db: Session, surprises: Iterable[str], now: datetime) -> None:
    counted = Counter(what[:400] for what in surprises)
    if not counted:
        return
    table = table_of(ContractSurprise)
    insert = upserting(db, table)
    db.execute(
        insert.on_conflict_do_update(
            index_elements=[table.c.what],
            set_={"times": table.c.times + insert.excluded.times, "last_seen_at": insert.excluded.last_seen_at},
        ),
        [{"what": what, "times": counted[what], "first_seen_at": now, "last_seen_at": now} for what in sorted(counted)],
    )
