"""The writer: a row that the tables refuse hurts only itself, a database that is away costs nothing but time."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from recorder.dimensions import table_of
from recorder.errors import DatabaseError
from recorder.models import RunLocation
from recorder.pacing import LATE_POLL
from recorder.tracking import Fetched
from recorder.writing import write_together
from tests.factories import rows
from tests.processes import wait_until
from tests.recording import Harness, harness
from tests.test_tracking import trigger


def write_names(db: Session, names: Sequence[str]) -> int:
    db.execute(insert(table_of(RunLocation)), [{"name": name} for name in names])
    return len(names)


def test_one_refused_row_keeps_no_other_out(engine: Engine) -> None:
    refused: list[Any] = []
    names = ["a", "b", "a", "c"]

    done = write_together(engine, names, write_names, on_poison=lambda name, _: refused.append(name))

    assert (done, refused) == ([1, 1, 1], ["a"])
    assert rows(engine, "SELECT name FROM run_locations ORDER BY name") == [("a",), ("b",), ("c",)]


def test_a_batch_that_goes_well_is_one_transaction(engine: Engine) -> None:
    assert write_together(engine, ["a", "b"], write_names, on_poison=lambda *_: None) == [2]


def test_a_database_that_fails_is_no_row_s_fault(engine: Engine) -> None:
    """Each row alone would fail as well, one after the other, and all would be taken for poison."""
    refused: list[Any] = []
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE run_locations RENAME TO away")

    with pytest.raises(DatabaseError, match="run_locations"):
        write_together(engine, ["a", "b"], write_names, on_poison=lambda name, _: refused.append(name))

    assert refused == []


POISON = """
CREATE TRIGGER poison BEFORE INSERT ON check_results WHEN NEW.session_pk = (SELECT MIN(pk) FROM check_sessions)
BEGIN SELECT RAISE(ABORT, 'poison'); END
"""


def test_an_answer_that_the_tables_refuse_is_kept_aside_and_asked_for_hourly(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    """The others of its batch are recorded; it is given up at its deadline like any session."""
    with harness(sqlite_engine, tmp_path) as recorder:
        started = trigger(recorder)
        with sqlite_engine.begin() as connection:
            connection.exec_driver_sql(POISON)
        seen: list[Fetched] = []
        until_all_seen(recorder, seen, len(started))

    assert rows(sqlite_engine, "SELECT COUNT(final_at) FROM check_sessions") == [(len(started) - 1,)]
    [(kind, why, size)] = rows(sqlite_engine, "SELECT kind, why, LENGTH(body) FROM payloads WHERE session_pk IS NULL")
    assert (kind, "poison" in why, size > 100) == ("malformed", True, True)
    [(left_open,)] = rows(sqlite_engine, "SELECT next_poll_at FROM check_sessions WHERE final_at IS NULL")
    assert left_open > str((recorder.clock.now() + LATE_POLL - timedelta(minutes=1)).replace(tzinfo=None))


def test_answers_wait_for_a_database_that_is_away(sqlite_engine: Engine, tmp_path: Path) -> None:
    """Nothing is asked for twice, and nothing is taken for poison."""
    with harness(sqlite_engine, tmp_path) as recorder:
        started = trigger(recorder)
        seen: list[Fetched] = []
        tracker = recorder.parts.tracker(on_seen=seen.append)
        rename(sqlite_engine, "payloads", "away")
        tracker.start()
        wait_until(lambda: tracker.failure is not None, "the writer to fail")
        rename(sqlite_engine, "away", "payloads")
        wait_until(lambda: len(seen) == len(started), "every answer to be written")
        tracker.stop()

        asked = recorder.checkly.witness().requests["completion"]
    assert asked == len(started)
    assert rows(sqlite_engine, "SELECT COUNT(*) FROM check_sessions WHERE final_at IS NULL") == [(0,)]
    assert rows(sqlite_engine, "SELECT COUNT(*) FROM payloads WHERE kind <> 'session'") == [(0,)]


def rename(engine: Engine, before: str, after: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}")


def until_all_seen(recorder: Harness, seen: list[Fetched], count: int) -> None:
    tracker = recorder.parts.tracker(on_seen=seen.append)
    tracker.start()
    wait_until(lambda: len(seen) == count, "every answer to be seen")
    tracker.stop()
