"""Use case: read session payloads from a file, whatever wrote it, through the same parser and writer as live ones.

JSON lines, a JSON array, one session on its own, or the answer to a trigger (`{"sessions": [...]}`). A piece that
cannot be read is reported with its number and does not stop the rest; importing the same file again changes nothing.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Final
from uuid import UUID

from sqlalchemy import Engine, select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from recorder.clock import Clock
from recorder.db import transact
from recorder.dimensions import table_of
from recorder.errors import DatabaseError, MalformedPayload
from recorder.json_fields import load_json
from recorder.models import CheckSession
from recorder.payloads import SessionSnapshot, parse_session
from recorder.store import Recording, Written, record_sessions

BATCH: Final = 500
LINE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one line; a session with its results takes a few thousand."""
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Piece:
    """One session of the file, or why there is none: `place` is "line 3" or "item 3", `ends_at` a byte position."""

    place: str
    snapshot: SessionSnapshot | None
    why: str
    ends_at: int


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


def read_pieces(source: IO[bytes]) -> Iterator[Piece]:
    """Every session in the file, in order. JSON lines are read as they come, other documents whole."""
    skipped, first = 0, source.readline(LINE_LIMIT).removeprefix(_BOM)
    while first and not first.strip():
        skipped, first = skipped + 1, source.readline(LINE_LIMIT)
    if not first:
        return
    if isinstance(_json_or_none(first), dict):
        yield from _read_lines(_chain(first, source), skipped)
    else:
        yield from _read_document(first + source.read(), skipped)


def _json_or_none(text: bytes) -> object:
    try:
        return load_json(text)
    except MalformedPayload:
        return None


def _chain(first: bytes, rest: IO[bytes]) -> Iterator[bytes]:
    yield first
    while line := rest.readline(LINE_LIMIT):
        yield line


def _read_lines(lines: Iterable[bytes], skipped: int) -> Iterator[Piece]:
    position = 0
    for number, line in enumerate(lines, 1 + skipped):
        position += len(line)
        if not line.strip():
            continue
        try:
            document = load_json(line)
        except MalformedPayload as error:
            yield Piece(f"line {number}", None, str(error), position)
        else:
            yield from _sessions_in(document, f"line {number}", position)


def _read_document(body: bytes, skipped: int) -> Iterator[Piece]:
    """An array, one object over several lines, or something that is not quite JSON."""
    try:
        document = load_json(body)
    except MalformedPayload as error:
        lines = body.splitlines(keepends=True)
        if body.lstrip().startswith(b"["):
            yield from _read_values(body, body.index(b"[") + 1, "item", str(error))
        elif any(_holds_a_session(line) for line in lines):
            yield from _read_lines(lines, skipped)
        else:
            yield from _read_values(body, 0, "object", str(error))
        return
    if not isinstance(document, list):
        yield from _sessions_in(document, "the file", len(body))
        return
    for number, entry in enumerate(document, 1):
        yield from _sessions_in(entry, f"item {number}", len(body) * number // len(document))


def _holds_a_session(line: bytes) -> bool:
    """Whether the line is one of JSON lines; a line of an indented document may be an object too, but no session."""
    document = _json_or_none(line)
    return isinstance(document, dict) and not document.keys().isdisjoint({"checkSessionId", "sessions"})


def _read_values(body: bytes, start: int, kind: str, why: str) -> Iterator[Piece]:
    """One value after the other, up to where it stops being JSON: a cut array keeps its whole items."""
    text = body.decode("utf-8", errors="surrogateescape")
    number, ends_at = 0, start
    for number, (value, ends_at) in enumerate(_values(text, start), 1):
        yield from _sessions_in(value, f"{kind} {number}", ends_at)
    if kind == "item" or ends_at < len(text):
        yield Piece(f"{kind} {number + 1}", None, f"{why}; what follows it was not read", len(body))


def _values(text: str, at: int) -> Iterator[tuple[object, int]]:
    """Each JSON value and where the next one begins."""
    decoder = json.JSONDecoder()
    at = _skip_gap(text, at)
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        at = _skip_gap(text, at)
        yield value, at


def _skip_gap(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


def _sessions_in(document: object, place: str, ends_at: int) -> Iterator[Piece]:
    """The session that the document is, or those that the answer to a trigger lists."""
    listed = document.get("sessions") if isinstance(document, dict) and "checkSessionId" not in document else None
    entries = enumerate(listed, 1) if isinstance(listed, list) else [(0, document)]
    for number, entry in entries:
        where = f"{place}, session {number}" if number else place
        try:
            yield Piece(where, parse_session(entry), "", ends_at)
        except MalformedPayload as error:
            yield Piece(where, None, str(error), ends_at)


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
    if not pieces:
        return Written(), 0
    recordings = [Recording(snapshot, "import", closes=snapshot.is_final) for _, snapshot in pieces]
    try:
        return transact(engine, lambda db: record_sessions(db, recordings, now=now())), 0
    except DatabaseError as error:
        if not isinstance(error.__cause__, DataError | IntegrityError):
            raise
        if len(pieces) == 1:
            on_refused(f"{pieces[0][0].place}: {error}")
            return Written(), 1
    written, failed = Written(), 0
    for piece in pieces:
        stored, more = _store(engine, [piece], now, on_refused)
        written, failed = written + stored, failed + more
    return written, failed


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
