"""Importing session payloads from files of every shape, whole, broken and hostile."""

import io
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from recorder.db import transact
from recorder.errors import DatabaseError
from recorder.importing import BATCH, Imported, import_sessions, read_pieces
from recorder.models import is_sqlite
from tests.documented import RETRIEVE_ANSWER, TRIGGER_ANSWER, V2_RETRIEVE_ANSWER
from tests.factories import NOW, dump, record, rows, running, session, some_id

ONE, TWO, THREE = session("one"), session("two"), session("three")
IDS = [UUID(some_id(name)) for name in ("one", "two", "three")]


def lines(*payloads: Any, end: str = "\n") -> bytes:
    return "".join(json.dumps(payload) + end for payload in payloads).encode()


def over_lines(payload: dict[str, Any]) -> bytes:
    """The session with each of its results on a line of its own: lines that are objects, and no sessions."""
    head = json.dumps({key: value for key, value in payload.items() if key != "results"})[:-1]
    return "\n".join([head, ', "results": [', "\n,\n".join(map(json.dumps, payload["results"])), "]}\n"]).encode()


def read(body: bytes) -> list[str]:
    """Each piece of a file: the session's name in these tests, or the place and why it was refused."""
    names = dict(zip(IDS, ("one", "two", "three"), strict=True))
    return [
        names[piece.snapshot.check_session_id] if piece.snapshot else f"{piece.place}: {piece.why}"
        for piece in read_pieces(io.BytesIO(body))
    ]


def do_import(engine: Engine, body: bytes, refused: list[str] | None = None) -> Imported:
    told = [] if refused is None else refused
    return import_sessions(engine, io.BytesIO(body), now=lambda: NOW, on_refused=told.append)


WHOLE: dict[str, bytes] = {
    "lines": lines(ONE, TWO, THREE),
    "lines without a last line break": lines(ONE, TWO, THREE)[:-1],
    "lines of Windows": lines(ONE, TWO, THREE, end="\r\n"),
    "lines after a byte order mark": b"\xef\xbb\xbf" + lines(ONE, TWO, THREE),
    "lines with blank ones between": b"\n\n" + lines(ONE, end="\n\n") + b"   \n" + lines(TWO, THREE),
    "an array": json.dumps([ONE, TWO, THREE]).encode(),
    "an indented array": json.dumps([ONE, TWO, THREE], indent=2).encode(),
    "an array with one item a line": b"[\n" + b",\n".join(lines(one)[:-1] for one in (ONE, TWO, THREE)) + b"\n]\n",
    "an array in UTF-16": json.dumps([ONE, TWO, THREE]).encode("utf-16"),
    "indented objects one after the other": b"".join(json.dumps(one, indent=2).encode() for one in (ONE, TWO, THREE)),
    "objects over several lines with a result on each": b"".join(over_lines(one) for one in (ONE, TWO, THREE)),
    "the answer to a trigger": json.dumps({"sessions": [ONE, TWO, THREE]}).encode(),
    "an indented answer to a trigger": json.dumps({"sessions": [ONE, TWO, THREE]}, indent=2).encode(),
    "answers to triggers as lines": lines({"sessions": [ONE, TWO]}, {"sessions": [THREE]}),
}


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE.keys())
def test_a_file_of_any_usual_shape_gives_its_sessions_in_order(body: bytes) -> None:
    """Whatever tool wrote it."""
    assert read(body) == ["one", "two", "three"]


@pytest.mark.parametrize("body", [b"", b"\n \r\n", b"\xef\xbb\xbf", b"[]", b'{"sessions": []}'])
def test_a_file_without_a_session_gives_nothing(body: bytes) -> None:
    """And refuses nothing."""
    assert read(body) == []


BROKEN: dict[str, tuple[bytes, list[str]]] = {
    "a line that is no JSON": (
        lines(ONE) + b"oops\n" + lines(TWO),
        ["one", "line 2: not readable as JSON (Expecting value: line 1 column 1 (char 0))", "two"],
    ),
    "a first line that is no JSON": (
        b"oops\n" + lines(ONE, TWO),
        ["line 1: not readable as JSON (Expecting value: line 1 column 1 (char 0))", "one", "two"],
    ),
    "a line that is another thing": (
        lines(ONE, 7, [], TWO),
        [
            "one",
            "line 2: a session is an object, this is a number",
            "line 3: a session is an object, this is a list",
            "two",
        ],
    ),
    "a line number counts blank lines": (
        b"\n" + lines(ONE) + b"\n\n" + lines(session("two", checkId=None), THREE),
        ["one", "line 5: checkId is null, not a UUID", "three"],
    ),
    "an item of an array": (
        json.dumps([ONE, {}, TWO]).encode(),
        ["one", "item 2: checkSessionId is null, not a UUID", "two"],
    ),
    "a session inside an answer": (
        lines({"sessions": [ONE, {}, TWO]}, THREE),
        ["one", "line 1, session 2: checkSessionId is null, not a UUID", "two", "three"],
    ),
    "a word that is no JSON number": (
        lines(ONE) + json.dumps(TWO | {"timeElapsed": float("nan")}).encode(),
        ["one", "line 2: not readable as JSON (NaN is not JSON)"],
    ),
}


@pytest.mark.parametrize(("body", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_read_is_named_with_its_place_and_does_not_stop_the_rest(
    body: bytes, expected: list[str]
) -> None:
    """A person can find it in the file."""
    assert read(body) == expected


@pytest.mark.parametrize(
    ("shape", "separator"),
    [(lambda body: body, b"\n"), (lambda body: b"[" + body, b", "), (lambda body: b"[\n  " + body, b",\n")],
    ids=["lines", "array", "indented array"],
)
def test_a_file_that_was_cut_keeps_its_whole_sessions_wherever_the_cut_is(
    shape: Callable[[bytes], bytes], separator: bytes
) -> None:
    """An export that broke off in the middle; the cut itself is reported once."""
    whole = [lines(one)[:-1] for one in (ONE, TWO, THREE)]
    body = shape(separator.join(whole))
    ends = [body.index(part) + len(part) for part in whole]

    for cut in range(len(body) - len(separator.join(whole)) + 1, len(body), 41):
        kept = sum(end <= cut for end in ends)
        pieces = read(body[:cut])
        assert pieces[:kept] == ["one", "two", "three"][:kept]
        assert len(pieces) == kept + 1, body[:cut]


@pytest.mark.parametrize("end", ["", ",", ", \n"])
def test_an_array_that_was_cut_between_two_items_says_so(end: str) -> None:
    """Everything that is there is whole, and yet something is missing."""
    pieces = read(f"[{json.dumps(ONE)}, {json.dumps(TWO)}{end}".encode())

    assert pieces[:2] == ["one", "two"]
    assert len(pieces) == 3
    assert pieces[2].startswith("item 3: not readable as JSON")


@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:\n1ae\\', max_size=60).map(str.encode))
def test_no_bytes_at_all_end_the_reading_with_an_error(body: bytes) -> None:
    """Whatever is refused is refused in words."""
    assert all(piece.snapshot or piece.why for piece in read_pieces(io.BytesIO(body)))


def test_lists_nested_two_hundred_thousand_deep_are_refused() -> None:
    """In words, not with the interpreter's stack."""
    assert read(b"[" * 200_000) == ["item 1: the JSON is nested too deeply; what follows it was not read"]


def test_the_documented_payloads_are_imported(engine: Engine) -> None:
    """The answer to a trigger and to both versions of retrieve are one session; each may come first."""
    done = do_import(engine, lines(TRIGGER_ANSWER, RETRIEVE_ANSWER, V2_RETRIEVE_ANSWER))

    assert (done.read, done.written.sessions, done.written.results, done.refused, done.unfinished) == (3, 1, 1, 0, ())
    assert rows(engine, "SELECT origin, status, outcome, time_elapsed_ms, run_source FROM session_history") == [
        ("import", "PASSED", "PASS", 300731, "TRIGGER_API")
    ]


def test_importing_the_same_file_again_changes_no_row(engine: Engine) -> None:
    """Nothing is doubled, nothing is touched."""
    body = lines(ONE, running("two"), THREE)
    first = do_import(engine, body)
    before = dump(engine)

    again = do_import(engine, body)

    assert (first.written.sessions, first.written.results) == (3, 4)
    assert (again.read, again.written.sessions, again.written.results) == (3, 0, 0)
    assert dump(engine) == before


def test_an_import_of_several_batches_says_how_far_it_is(sqlite_engine: Engine) -> None:
    """The bytes done only grow, and end with the size of the file."""
    body = lines(*(session(f"session {number}", []) for number in range(2 * BATCH + 1)))
    seen: list[int] = []

    done = import_sessions(
        sqlite_engine, io.BytesIO(body), now=lambda: NOW, on_refused=pytest.fail, on_progress=seen.append
    )

    assert done.written.sessions == 2 * BATCH + 1
    assert seen == sorted(seen)
    assert (len(seen), seen[-1]) == (3, len(body))


def test_sessions_that_were_still_running_are_stored_and_named(engine: Engine) -> None:
    """They count in no rate until their end is fetched."""
    done = do_import(engine, lines(running("one"), TWO, running("three")))

    assert done.unfinished == (IDS[0], IDS[2])
    assert rows(engine, "SELECT COUNT(*) FROM check_sessions WHERE final_at IS NULL AND next_poll_at IS NULL") == [(2,)]


def test_a_session_whose_end_is_known_is_not_named_as_unfinished(engine: Engine) -> None:
    """From before, or from a later line of the same file; an older answer undoes no end."""
    record(engine, ONE)

    done = do_import(engine, lines(running("one"), running("two"), TWO))

    assert done.unfinished == ()
    assert rows(engine, "SELECT DISTINCT status FROM check_sessions") == [("PASSED",)]


def test_hostile_names_are_stored_safely(engine: Engine) -> None:
    """NUL, a lone surrogate, a megabyte, markup and a formula, from the JSON escapes that carry them."""
    names = ["a\0b", "\ud800", "x" * 1_000_000, "<script>alert(1)</script>", "=cmd()|' /C calc'!A0"]
    body = lines(*(session(f"hostile {number}", [], name=name) for number, name in enumerate(names)))

    done = do_import(engine, body)

    assert (done.written.sessions, done.refused) == (5, 0)


def test_a_session_that_the_tables_refuse_hurts_only_itself(engine: Engine) -> None:
    """The rest of its batch is stored, and the file's place of the poison one is named."""
    _refuse_sessions_of_666_ms(engine)
    refused: list[str] = []

    done = do_import(engine, lines(ONE, session("two", timeElapsed=666), THREE), refused)

    assert (done.read, done.written.sessions, done.refused) == (3, 2, 1)
    assert len(refused) == 1
    assert refused[0].startswith("line 2: database ")


def test_a_database_that_cannot_be_used_ends_the_import(engine: Engine) -> None:
    """It is not the sessions' fault: none is refused one by one."""
    transact(engine, lambda db: db.connection().exec_driver_sql("ALTER TABLE payloads RENAME TO gone"))
    refused: list[str] = []

    with pytest.raises(DatabaseError):
        do_import(engine, lines(ONE, TWO, THREE), refused)

    assert refused == []
    assert rows(engine, "SELECT COUNT(*) FROM check_sessions") == [(0,)]


def _refuse_sessions_of_666_ms(engine: Engine) -> None:
    sql = "ALTER TABLE check_sessions ADD CONSTRAINT poison CHECK (time_elapsed_ms <> 666)"
    if is_sqlite(engine):
        sql = (
            "CREATE TRIGGER poison BEFORE INSERT ON check_sessions WHEN NEW.time_elapsed_ms = 666 "
            "BEGIN SELECT RAISE(ABORT, 'poison'); END"
        )
    transact(engine, lambda db: db.connection().exec_driver_sql(sql))
