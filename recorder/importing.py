"""Use case: read session payloads from a file, whatever wrote it, through the same parser and writer as live ones.

JSON lines, a JSON array, one session on its own, or the answer to a trigger (`{"sessions": [...]}`). A piece that
cannot be read is reported with its number and does not stop the rest; importing the same file again changes nothing.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Final

from sqlalchemy import Engine

from recorder.clock import Clock
from recorder.db import transact
from recorder.errors import DatabaseError, MalformedPayload
from recorder.json_fields import load_json
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
    """What an import did: sessions read, rows added, sessions that were still running, pieces that were refused."""

    read: int
    written: Written
    unfinished: int
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
    Raises DatabaseError when the database cannot be used at all.
    """
    read = unfinished = refused = 0
    written = Written()
    for batch in _batches(read_pieces(source)):
        good: list[Piece] = []
        for piece in batch:
            if piece.snapshot is None:
                on_refused(f"{piece.place}: {piece.why}")
                refused += 1
            else:
                good.append(piece)
                unfinished += not piece.snapshot.is_final
        stored, failed = _store(engine, good, now, on_refused)
        written += stored
        refused += failed
        read += len(good)
        on_progress(batch[-1].ends_at)
    return Imported(read, written, unfinished, refused)


def read_pieces(source: IO[bytes]) -> Iterator[Piece]:
    """Every session in the file, in order. JSON lines are read as they come, other documents whole."""
    skipped, first = 0, source.readline(LINE_LIMIT).removeprefix(_BOM)
    while first and not first.strip():
        skipped, first = skipped + 1, source.readline(LINE_LIMIT)
    if not first:
        return
    if first.lstrip().startswith(b"["):
        yield from _read_document(first + source.read())
    elif _is_object(first):
        yield from _read_lines(_chain(first, source), skipped)
    else:
        yield from _read_whole(first + source.read(), skipped)


def _read_whole(body: bytes, skipped: int) -> Iterator[Piece]:
    """A first line that is no document: one indented object, or JSON lines whose first is broken."""
    try:
        yield from _sessions_in(load_json(body), "the file", len(body))
    except MalformedPayload as error:
        lines = body.splitlines(keepends=True)
        if any(_is_object(line) for line in lines):
            yield from _read_lines(lines, skipped)
        else:
            yield Piece("the file", None, str(error), len(body))


def _is_object(line: bytes) -> bool:
    """Whether the line is a whole JSON object."""
    try:
        return isinstance(load_json(line), dict)
    except MalformedPayload:
        return False


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


def _read_document(body: bytes) -> Iterator[Piece]:
    """A JSON array of sessions."""
    try:
        entries = load_json(body)
    except MalformedPayload as error:
        yield from _read_broken_array(body, str(error))
        return
    for number, entry in enumerate(entries, 1):
        yield from _sessions_in(entry, f"item {number}", len(body) * number // len(entries))


def _read_broken_array(body: bytes, why: str) -> Iterator[Piece]:
    """The items of an array up to the place where it stops being JSON; a cut export keeps its whole sessions."""
    text = body.decode("utf-8", errors="surrogateescape")
    decoder = json.JSONDecoder()
    number, at = 0, text.find("[") + 1
    while at:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            entry, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        number += 1
        yield from _sessions_in(entry, f"item {number}", at)
    yield Piece(f"item {number + 1}", None, f"{why}; what follows it was not read", len(body))


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


def _store(engine: Engine, pieces: list[Piece], now: Clock, on_refused: Callable[[str], None]) -> tuple[Written, int]:
    """Write a batch; when the tables refuse it, each session alone, so that a poison one hurts only itself."""
    snapshots = [piece.snapshot for piece in pieces if piece.snapshot is not None]
    recordings = [Recording(snapshot, "import", closes=snapshot.is_final) for snapshot in snapshots]
    if not recordings:
        return Written(), 0
    try:
        return transact(engine, lambda db: record_sessions(db, recordings, now=now())), 0
    except DatabaseError as error:
        if len(pieces) == 1:
            on_refused(f"{pieces[0].place}: {error}")
            return Written(), 1
    written, failed = Written(), 0
    for piece in pieces:
        stored, more = _store(engine, [piece], now, on_refused)
        written, failed = written + stored, failed + more
    return written, failed
