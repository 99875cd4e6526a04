"""Sessions to write, and the rows that the recorder makes of them: the same for every side of a comparison."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Engine

from recorder import db
from recorder.payloads import SessionSnapshot, parse_session
from recorder.simulator.history import past_sessions
from recorder.simulator.world import default_world
from recorder.store import Recording, record_sessions

NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
SMALL: Final = ("checks", "run_locations", "location_sets", "location_set_members")
LARGE: Final = ("check_sessions", "check_results", "payloads")
"""Parents before children."""


def past_payloads(count: int) -> list[dict[str, Any]]:
    """The newest `count` sessions of a simulated account with two dozen checks, oldest first."""
    payloads = past_sessions(default_world(1), start=NOW - timedelta(weeks=8), end=NOW)
    return [dict(one) for one in islice(payloads, count)]


def in_batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Slices of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def write(engine: Engine, snapshots: Sequence[SessionSnapshot], *, batch: int) -> None:
    """What an import does, a transaction for each batch."""
    for some in in_batches(snapshots, batch):
        recordings = [Recording(snapshot, "import", closes=snapshot.is_final) for snapshot in some]
        db.transact(engine, partial(record_sessions, recordings=recordings, now=NOW))


@dataclass(frozen=True)
class StoredRows:
    """The rows of every table as the driver takes them: `batches` holds those of each batch of sessions."""

    columns: Mapping[str, Sequence[str]]
    small: Mapping[str, list[tuple[Any, ...]]]
    batches: list[Mapping[str, list[tuple[Any, ...]]]]


def stored_rows(engine: Engine, *, batch: int) -> StoredRows:
    """Everything in the database, cut into batches of sessions with their results and payloads."""
    columns: dict[str, Sequence[str]] = {}
    rows: dict[str, list[tuple[Any, ...]]] = {}
    with engine.connect() as connection:
        for table in SMALL + LARGE:
            found = connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608 - names above
            columns[table] = list(found.keys())
            rows[table] = [tuple(row) for row in found]
    place = {table: columns[table].index("session_pk") for table in LARGE[1:]}
    batches: list[Mapping[str, list[tuple[Any, ...]]]] = []
    for some in in_batches(rows["check_sessions"], batch):
        pks = {row[0] for row in some}
        parts = {table: [row for row in rows[table] if row[at] in pks] for table, at in place.items()}
        batches.append({"check_sessions": list(some), **parts})
    return StoredRows(columns, {table: rows[table] for table in SMALL}, batches)


def parsed(payloads: Sequence[Mapping[str, Any]]) -> list[SessionSnapshot]:
    """The payloads as the recorder reads them, compressed as by the thread that fetched them."""
    snapshots = [parse_session(payload) for payload in payloads]
    for snapshot in snapshots:
        _ = snapshot.deflated
    return snapshots


class Scratch:
    """A folder for databases that live as long as one measurement."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="recorder-bench-")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def new_path(self) -> Path:
        """A file that is not there yet."""
        self._count += 1
        return Path(self._folder.name) / f"{self._count}.db"

    def new_sqlite(self) -> Engine:
        """A migrated database in a file of its own."""
        engine = db.open_engine(f"sqlite:///{self.new_path()}")
        db.upgrade(engine)
        return engine
