"""Use case: write the session payloads of a file, through the same parser and writer as live ones.

A piece that cannot be read or stored is reported with its number and does not stop the rest; what the tables refuse is
kept aside. Importing the same file again changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO
from uuid import UUID

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from recorder.clock import Clock
from recorder.db import transact
from recorder.dimensions import table_of
from recorder.errors import DatabaseError
from recorder.models import CheckSession
from recorder.payloads import Malformed, SessionSnapshot
from recorder.quarantine import keep_once
from recorder.session_files import Piece, read_pieces
from recorder.store import Recording, Written, record_sessions
from recorder.writing import BATCH, write_together


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: sessions read, rows added, ids of sessions that have no end yet, pieces refused."""

    read: int
    written: Written
    unfinished: tuple[UUID, ...]
    refused: int


def import_sessions(
    engine: Engine,
    source: IO[bytes],
    *,
    now: Clock,
    on_refused: Callable[[str], None],
    on_progress: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Write every readable session of `source`, 500 to a transaction.

    `on_refused` gets one sentence for each piece that could not be read or stored, `on_progress` the bytes done.
    Raises DatabaseError when the database cannot be used; what was written before stays.
    """
    read = refused = 0
    written = Written()
    open_ids: dict[UUID, None] = {}
    for batch in _batches(read_pieces(source)):
        good: list[tuple[Piece, SessionSnapshot]] = []
        for piece in batch:
            if piece.snapshot is None:
                on_refused(f"{piece.place}: {piece.why}")
                refused += 1
            else:
                good.append((piece, piece.snapshot))
        stored, failed = _store(engine, good, now, on_refused)
        written += stored
        refused += failed
        read += len(good)
        open_ids |= dict.fromkeys(snapshot.check_session_id for _, snapshot in good if not snapshot.is_final)
        on_progress(batch[-1].ends_at)
    return Imported(read, written, _without_end(engine, list(open_ids)), refused)


def _batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    for piece in pieces:
        batch.append(piece)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _store(
    engine: Engine, pieces: list[tuple[Piece, SessionSnapshot]], now: Clock, on_refused: Callable[[str], None]
) -> tuple[Written, int]:
    """Write a batch; when the tables refuse it, each session alone, so that a poison one hurts only itself."""
    failed: list[Piece] = []

    def write(db: Session, some: Sequence[tuple[Piece, SessionSnapshot]]) -> Written:
        recordings = [Recording(snapshot, "import", closes=snapshot.is_final) for _, snapshot in some]
        return record_sessions(db, recordings, now=now())

    def leave_out(one: tuple[Piece, SessionSnapshot], error: DatabaseError) -> None:
        piece, snapshot = one
        on_refused(f"{piece.place}: {error}")
        kept = Malformed(f"session {snapshot.check_session_id}: {error}", snapshot.raw)
        transact(engine, partial(keep_once, pieces=[kept], now=now()))
        failed.append(piece)

    return sum(write_together(engine, pieces, write, on_poison=leave_out), Written()), len(failed)


def _without_end(engine: Engine, session_ids: list[UUID]) -> tuple[UUID, ...]:
    """Those of the sessions that are stored without an end, in the same order."""
    sessions = table_of(CheckSession)

    def has_no_end(db: Session, some: list[UUID]) -> set[UUID]:
        wanted = sessions.c.check_session_id.in_(some) & sessions.c.final_at.is_(None)
        return set(db.scalars(select(sessions.c.check_session_id).where(wanted)))

    found: set[UUID] = set()
    for start in range(0, len(session_ids), BATCH):
        found |= transact(engine, partial(has_no_end, some=session_ids[start : start + BATCH]))
    return tuple(session_id for session_id in session_ids if session_id in found)
