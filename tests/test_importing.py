"""Importing the session payloads of a file: what is stored, what is refused, and the same file again."""

import io
import json
import zlib
from uuid import UUID

import pytest
from sqlalchemy import Engine

from recorder.db import transact
from recorder.errors import DatabaseError
from recorder.importing import Imported, import_sessions
from recorder.models import is_sqlite
from recorder.writing import BATCH
from tests.documented import RETRIEVE_ANSWER, TRIGGER_ANSWER, V2_RETRIEVE_ANSWER
from tests.factories import NOW, dump, record, rows, running, session, some_id
from tests.factories import json_lines as lines

ONE, TWO, THREE = session("one"), session("two"), session("three")
IDS = [UUID(some_id(name)) for name in ("one", "two", "three")]


def do_import(engine: Engine, body: bytes, refused: list[str] | None = None) -> Imported:
    told = [] if refused is None else refused
    return import_sessions(engine, io.BytesIO(body), now=lambda: NOW, on_refused=told.append)


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
    """The rest of its batch is stored, the file's place of the poison one is named, its payload is kept, and once."""
    _refuse_sessions_of_666_ms(engine)
    refused: list[str] = []

    done = do_import(engine, lines(ONE, session("two", timeElapsed=666), THREE), refused)

    assert (done.read, done.written.sessions, done.refused) == (3, 2, 1)
    assert len(refused) == 1
    assert refused[0].startswith("line 2: database ")
    do_import(engine, lines(session("two", timeElapsed=666)), refused)
    [(why, body)] = rows(engine, "SELECT why, body FROM payloads WHERE kind = 'malformed'")
    assert some_id("two") in why
    assert json.loads(zlib.decompress(body))["timeElapsed"] == 666


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
