"""Reads session payloads from a file, whatever wrote it: which pieces it has, and why a piece is none.

JSON lines, a JSON array, values one after the other, one session on its own, or the answer to a trigger
(`{"sessions": [...]}`). What is broken is a piece of its own and never hides what comes after it.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Final

from recorder.errors import MalformedPayload
from recorder.json_fields import first_line, load_json
from recorder.payloads import SessionSnapshot, parse_session

LINE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one line; a session with its results takes a few thousand."""
_DECODER: Final = json.JSONDecoder()
_BOM: Final = b"\xef\xbb\xbf"
_GAP: Final = re.compile(r"[ \t\r\n,\]]*")
"""What may stand between two values, the end of one array among it."""
_OBJECT: Final = re.compile(r"[^:\s]\s*(?=\{)|\n\s*(?=\{)")
"""Where an object may begin that is not the value of a field."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
"""A string, or a bracket outside strings."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One session of the file, or why there is none: `place` is "line 3" or "item 3", `ends_at` a byte position."""

    place: str
    snapshot: SessionSnapshot | None
    why: str
    ends_at: int


def read_pieces(source: IO[bytes]) -> Iterator[Piece]:
    """Every session in the file, in order. JSON lines are read as they come, other documents whole."""
    skipped, first = _next_line(source)
    first = first.removeprefix(_BOM)
    try:
        document = load_json(first) if first.strip() else {}
    except MalformedPayload:
        yield from _read_document(first + source.read(), skipped)
        return
    if isinstance(document, dict):
        yield from _read_lines(chain([first], _lines(source)), skipped)
        return
    blank, second = _next_line(source)
    if second:
        yield from _read_lines(chain([first], [b"\n"] * blank, [second], _lines(source)), skipped)
    else:
        yield from _read_document(first, skipped)


def _next_line(source: IO[bytes]) -> tuple[int, bytes]:
    """How many blank lines were skipped, and the line after them; b"" at the end of the file."""
    skipped = 0
    for line in _lines(source):
        if line.removeprefix(_BOM).strip():
            return skipped, line
        skipped += 1
    return skipped, b""


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    while line := source.readline(LINE_LIMIT):
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
    try:
        return _is_session(load_json(line))
    except MalformedPayload:
        return False


def _is_session(document: object) -> bool:
    return isinstance(document, dict) and not document.keys().isdisjoint({"checkSessionId", "sessions"})


def _read_values(body: bytes, at: int, kind: str, why: str) -> Iterator[Piece]:
    """One value after the other; a broken one is reported, and reading goes on with the next that is whole."""
    text = body.decode("utf-8", errors="surrogateescape")
    number, is_broken, at = 0, False, _after_gap(text, at)
    while at < len(text):
        number += 1
        value, end, trouble = _decode(text, at)
        is_broken = trouble is not None
        if trouble is None:
            yield from _sessions_in(value, f"{kind} {number}", end)
        else:
            end = _end_of_broken(text, at)
            lost = "" if end < len(text) else "; nothing after it could be read"
            yield Piece(f"{kind} {number}", None, f"{trouble}{lost}", end)
        at = _after_gap(text, end)
    if kind == "item" and not is_broken and not text.rstrip().endswith("]"):
        yield Piece(f"item {number + 1}", None, f"{why}; the array has no end", len(body))


def _decode(text: str, at: int) -> tuple[object, int, str | None]:
    """The value that begins here, where it ends, and what is wrong with it."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError:
        return None, at, "the JSON is nested too deeply"
    except ValueError as error:
        return None, at, f"not readable as JSON ({first_line(error)})"
    return value, end, None


def _after_gap(text: str, at: int) -> int:
    match = _GAP.match(text, at)
    return at if match is None else match.end()


def _end_of_broken(text: str, at: int) -> int:
    """Where reading goes on behind a broken value: at its own closing bracket, but not behind the next session."""
    following = _next_session(text, at + 1)
    closing = _closing(text, at)
    return following if closing is None else min(closing, following)


def _next_session(text: str, at: int) -> int:
    """Where the next whole session begins; the end of the text if there is none."""
    while match := _OBJECT.search(text, at):
        value, end, trouble = _decode(text, match.end())
        if trouble is None and _is_session(value):
            return match.end()
        at = max(end, match.end())
    return len(text)


def _closing(text: str, at: int) -> int | None:
    """The end of the bracket that opens here, if brackets and strings match and a value ends there."""
    depth = 0
    for token in _TOKEN.finditer(text, at):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token.group(), 0)
        if depth <= 0:
            ended = token.end() == len(text) or text[token.end()] in " \t\r\n,]"
            return token.end() if ended and token.start() > at else None
    return None


def _sessions_in(document: object, place: str, ends_at: int) -> Iterator[Piece]:
    """The session that the document is, or those that an array or the answer to a trigger lists."""
    listed, word = (document, "item") if isinstance(document, list) else (None, "session")
    if isinstance(document, dict) and "checkSessionId" not in document:
        listed = document.get("sessions")
    entries = enumerate(listed, 1) if isinstance(listed, list) else [(0, document)]
    for number, entry in entries:
        where = f"{place}, {word} {number}" if number else place
        try:
            yield Piece(where, parse_session(entry), "", ends_at)
        except MalformedPayload as error:
            yield Piece(where, None, str(error), ends_at)
