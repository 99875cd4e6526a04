"""A unit of work is done once, whatever the database does meanwhile; and what is said of SQLite's own program."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from recorder.db import open_engine, sqlite_flaw, transact
from recorder.errors import DatabaseError


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 50, 6), (3, 51, 0), (3, 51, 2)])
def test_a_sqlite_that_may_damage_what_several_write_to_is_named(version: tuple[int, int, int]) -> None:
    """With what to do about it."""
    flaw = sqlite_flaw(version)

    assert flaw is not None
    assert ".".join(map(str, version)) in flaw
    assert "let nothing else write to it" in flaw


@pytest.mark.parametrize("version", [(3, 44, 6), (3, 44, 9), (3, 50, 7), (3, 51, 3), (3, 52, 0), (4, 0, 0)])
def test_a_sqlite_that_was_mended_is_nobody_s_business(version: tuple[int, int, int]) -> None:
    """The fix was carried back to two older lines."""
    assert sqlite_flaw(version) is None


def test_a_unit_of_work_whose_connection_is_cut_is_done_again_and_once(new_postgresql: str) -> None:
    """PostgreSQL was restarted, or somebody ended the connection: nothing of the first try stays."""
    with counter(new_postgresql) as engine:
        tries: list[int] = []

        def work(session: Session) -> None:
            session.execute(text("UPDATE counters SET n = n + 1 WHERE name = 'a'"))
            tries.append(session.scalars(text("SELECT pg_backend_pid()")).one())
            if len(tries) == 1:
                _end_connection(new_postgresql, tries[0])
            session.execute(text("UPDATE counters SET n = n + 1 WHERE name = 'b'"))

        transact(engine, work)

        assert len(tries) == 2
        assert values(engine) == {"a": 1, "b": 1}


def test_of_two_units_of_work_in_a_deadlock_the_one_that_loses_is_done_again(new_postgresql: str) -> None:
    """Each holds what the other wants: PostgreSQL ends one, which begins anew when the other is done."""
    with counter(new_postgresql) as engine:
        both_hold = threading.Barrier(2, timeout=20)
        tries: list[str] = []

        def work(session: Session, first: str, second: str) -> None:
            tries.append(first)
            bump = text("UPDATE counters SET n = n + 1 WHERE name = :name")
            session.execute(bump, {"name": first})
            if tries.count(first) == 1:
                both_hold.wait()
            session.execute(bump, {"name": second})

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda order: transact(engine, partial(work, first=order[0], second=order[1])), ["ab", "ba"]))

        assert len(tries) == 3
        assert values(engine) == {"a": 2, "b": 2}


def test_a_unit_of_work_waits_for_another_writer_of_a_sqlite_file(tmp_path: Path) -> None:
    """The other one may be a person in a database browser."""
    with counter(f"sqlite:///{tmp_path}/history.db") as engine, ThreadPoolExecutor(1) as pool:
        other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = threading.Event()

        def work() -> None:
            began.set()
            transact(engine, lambda session: session.execute(text("UPDATE counters SET n = n + 1")))

        done = pool.submit(work)
        assert began.wait(20)
        other.execute("UPDATE counters SET n = 10")
        other.execute("COMMIT")
        done.result(timeout=60)
        other.close()

        assert values(engine) == {"a": 11, "b": 11}


def test_what_doing_again_does_not_mend_is_said_at_once(new_postgresql: str) -> None:
    """One sentence with the database's address, and one try."""
    with counter(new_postgresql) as engine:
        tries: list[int] = []

        def work(session: Session) -> None:
            tries.append(1)
            session.execute(text("UPDATE nowhere SET n = 1"))

        with pytest.raises(DatabaseError, match='relation "nowhere" does not exist'):
            transact(engine, work)

        assert len(tries) == 1


@contextmanager
def counter(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL)")
        connection.exec_driver_sql("INSERT INTO counters VALUES ('a', 0), ('b', 0)")
    yield engine
    engine.dispose()


def values(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return dict(connection.exec_driver_sql("SELECT name, n FROM counters").all())


def _end_connection(url: str, pid: int) -> None:
    engine = open_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
    engine.dispose()


def test_a_process_that_stops_within_a_transaction_holds_nobody_for_long(new_postgresql: str) -> None:
    """PostgreSQL ends it, and whoever waits for its locks asks again until then."""
    engine = open_engine(new_postgresql)
    limits = "SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')"

    found = transact(engine, lambda session: tuple(session.execute(text(limits)).one()))
    engine.dispose()

    assert found == ("10s", "15s")
