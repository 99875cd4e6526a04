"""Owns the small tables that sessions point at: checks, run locations and sets of locations.

Each function takes a connection and turns values into keys, inserting what is new. Two writers may insert the same
value at once: the unique constraint lets one win and both read the winner's key. Rows go in sorted order, so that no
two writers deadlock.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Table, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from recorder.bulk import BulkMerge, BulkSelect
from recorder.models import Base, Check, LocationSet, LocationSetMember, RunLocation
from recorder.payloads import SessionSnapshot

LocationNames = tuple[str, ...]
_TABLES: Final = Base.metadata.tables
_LOCATIONS: Final = BulkSelect(_TABLES["run_locations"].c.name, (_TABLES["run_locations"].c.pk,))
_SETS: Final = BulkSelect(_TABLES["location_sets"].c.digest, (_TABLES["location_sets"].c.pk,))


def upserting(db: Session, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT of this database's dialect that can say ON CONFLICT; both dialects spell it alike."""
    return upserting_for(db.get_bind().dialect.name, table)


def upserting_for(dialect: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """The same for a dialect by its name."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def table_of(model: type[Base]) -> Table:
    """The Core table behind a model."""
    return _TABLES[model.__tablename__]


def insert_missing(db: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose unique value is not there yet."""
    _insert_missing(db.connection(), model, rows)


def _insert_missing(connection: Connection, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        insert = upserting_for(connection.dialect.name, table_of(model))
        connection.execute(insert.on_conflict_do_nothing(), [dict(row) for row in rows])


def check_keys(connection: Connection, snapshots: Iterable[SessionSnapshot]) -> dict[UUID, int]:
    """The key of every check named; a check's name, type and link are those of its newest session."""
    newest: dict[int, SessionSnapshot] = {}  # by the number behind the id, which is found three times faster
    for snapshot in snapshots:
        known = newest.get(snapshot.check_id.int)
        if known is None or snapshot.started_at >= known.started_at:
            newest[snapshot.check_id.int] = snapshot
    seen = [newest[number] for number in sorted(newest)]
    ids = [one.check_id for one in seen]
    insert, find = _checks(connection.dialect.name)
    insert.run(
        connection,
        {
            "check_id": ids,
            "name": [one.name for one in seen],
            "check_type": [one.check_type for one in seen],
            "link": [check_link(one) for one in seen],
            "seen_at": [one.started_at for one in seen],
        },
    )
    return {check_id: pk for check_id, (pk,) in find.by_key(connection, ids).items()}


@cache
def _checks(dialect: str) -> tuple[BulkMerge, BulkSelect]:
    checks = table_of(Check)
    insert = upserting_for(dialect, checks)
    new = insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=[checks.c.check_id],
        set_={
            "name": func.coalesce(new.name, checks.c.name),
            "check_type": new.check_type,
            "link": func.coalesce(new.link, checks.c.link),
            "seen_at": new.seen_at,
        },
        where=new.seen_at >= checks.c.seen_at,
    )
    columns = frozenset({"check_id", "name", "check_type", "link", "seen_at"})
    return BulkMerge(statement, columns, "check_id"), BulkSelect(checks.c.check_id, (checks.c.pk,))


def check_link(snapshot: SessionSnapshot) -> str | None:
    """The check's own page, when the session's link has the shape that Checkly uses; no other link is kept."""
    prefix, separator, last = (snapshot.link or "").partition("/check-sessions/")
    shaped = separator and last == str(snapshot.check_session_id) and prefix.startswith("https://")
    return prefix if shaped else None


def location_keys(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """The key of every location named."""
    wanted = sorted(set(names))
    known = _LOCATIONS.by_key(connection, wanted)
    if len(known) < len(wanted):
        _insert_missing(connection, RunLocation, [{"name": name} for name in wanted if name not in known])
        known = _LOCATIONS.by_key(connection, wanted)
    return {name: pk for name, (pk,) in known.items()}


def location_set_keys(
    connection: Connection, sets: Iterable[LocationNames], locations: Mapping[str, int]
) -> dict[LocationNames, int]:
    """The key of every set of locations; `locations` must hold the key of each member."""
    digests = {set_digest(names): names for names in sets}
    known = _known_sets(connection, digests)
    new = [digest for digest in sorted(digests) if digest not in known]
    if new:
        rows = [{"digest": one, "run_locations": json.dumps(digests[one], ensure_ascii=False)} for one in new]
        _insert_missing(connection, LocationSet, rows)
        known = _known_sets(connection, digests)
        members = [
            {"location_set_pk": known[digest], "run_location_pk": locations[name]}
            for digest in new
            for name in digests[digest]
        ]
        _insert_missing(connection, LocationSetMember, members)
    return {names: known[digest] for digest, names in digests.items()}


@lru_cache(maxsize=4096)
def set_digest(names: LocationNames) -> str:
    """32 hex digits that stand for the set; a set of a hundred long names would not fit an index."""
    return hashlib.sha256(json.dumps(sorted(names)).encode()).hexdigest()[:32]


def _known_sets(connection: Connection, digests: Collection[str]) -> dict[str, int]:
    return {digest: pk for digest, (pk,) in _SETS.by_key(connection, digests).items()}
