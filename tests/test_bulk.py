"""Many rows at once are written as one by one, on both databases and on both sides of where COPY begins."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from recorder.bulk import COPY_FROM, among
from recorder.db import open_engine, transact, upgrade
from recorder.dimensions import table_of
from recorder.errors import DatabaseError
from recorder.models import CheckSession, RunLocation
from recorder.store import TAKEN_ID, Recording, record_sessions
from recorder.writing import is_refused_row
from tests.factories import NOW, dump, record, result, rows, running, session, snapshot, some_id
from tests.processes import wait_until


def many(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [session(f"many {number}", **changes) for number in range(count)]


@pytest.mark.parametrize("count", [COPY_FROM - 1, COPY_FROM, 3 * COPY_FROM])
def test_a_batch_leaves_what_its_sessions_leave_alone(engine: Engine, count: int) -> None:
    """Keys apart, which follow the order of the ids in a batch."""
    record(engine, *many(count))
    together = facts(engine)
    with engine.begin() as connection:
        for table in ("payloads", "check_results", "check_sessions"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - the names above

    for one in many(count):
        record(engine, one)

    assert facts(engine) == together
    assert rows(engine, "SELECT COUNT(*), COUNT(DISTINCT check_result_id) FROM check_results") == [(2 * count,) * 2]


def facts(engine: Engine) -> list[tuple[Any, ...]]:
    """Every session and result, without the keys."""
    sessions = "SELECT * FROM session_history ORDER BY check_session_id"
    results = "SELECT * FROM result_history ORDER BY check_result_id"
    return [*rows(engine, sessions), *rows(engine, results), *rows(engine, "SELECT body FROM payloads ORDER BY body")]


def test_a_second_time_in_bulk_changes_nothing(engine: Engine) -> None:
    record(engine, *many(2 * COPY_FROM))
    before = dump(engine)

    written = record(engine, *many(2 * COPY_FROM), now=NOW + timedelta(hours=1))

    assert (written.sessions, written.results) == (0, 0)
    assert dump(engine) == before


def test_a_running_answer_in_bulk_never_undoes_a_final_one(engine: Engine) -> None:
    record(engine, *many(2 * COPY_FROM))

    record(engine, *(running(f"many {number}") for number in range(2 * COPY_FROM)))

    assert rows(engine, "SELECT DISTINCT status, outcome FROM check_sessions") == [("PASSED", "PASS")]


def test_answers_about_one_session_in_one_batch_are_taken_in_their_order(engine: Engine) -> None:
    """On PostgreSQL each turn has a temporary table of its own."""
    record(engine, *many(COPY_FROM, status="FAILED"), *many(COPY_FROM))

    assert rows(engine, "SELECT DISTINCT status FROM check_sessions") == [("PASSED",)]


def test_a_value_that_no_column_holds_is_an_error_like_any_other(engine: Engine) -> None:
    """It must be told from a database that is away, whichever way the rows went."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX one_only ON check_sessions (status)")

    with pytest.raises(DatabaseError) as caught:
        record(engine, *many(2 * COPY_FROM))

    assert is_refused_row(caught.value)
    assert rows(engine, "SELECT COUNT(*) FROM check_sessions") == [(0,)]


def test_many_ids_are_found_among_all(engine: Engine) -> None:
    record(engine, *many(10))
    sessions, locations = table_of(CheckSession), table_of(RunLocation)

    def find(db: Session) -> tuple[int, list[str]]:
        ids = db.scalars(select(sessions.c.check_session_id).where(among(db, sessions.c.pk, range(1, 4)))).all()
        names = db.scalars(select(locations.c.name).where(among(db, locations.c.name, ["us-east-1", "nowhere"]))).all()
        return len(ids), list(names)

    assert transact(engine, find) == (3, ["us-east-1"])


def test_sessions_that_another_daemon_wrote_meanwhile_are_merged(new_postgresql: str) -> None:
    """The slower one finds none of them, waits for the faster one's commit, and merges what it took for new."""
    engine = open_engine(new_postgresql)
    upgrade(engine)
    record(engine, session("before"))
    found_first = many(COPY_FROM, status="FAILED", checkId=some_id("no row that both would wait for"))
    with ThreadPoolExecutor(1) as pool, Session(engine) as faster:
        record_sessions(faster, [Recording(snapshot(one), "import", closes=True) for one in found_first], now=NOW)
        slower = pool.submit(record, engine, *reversed(many(2 * COPY_FROM)))
        wait_until(lambda: rows(engine, "SELECT 1 FROM pg_locks WHERE NOT granted") != [], "a writer that waits")
        faster.commit()

        written = slower.result()

    assert (written.sessions, written.results) == (COPY_FROM, 2 * COPY_FROM)
    assert rows(engine, "SELECT status, COUNT(*) FROM check_sessions GROUP BY status") == [
        ("PASSED", 2 * COPY_FROM + 1)
    ]
    assert rows(engine, "SELECT COUNT(*) FROM check_results") == [(2 * (2 * COPY_FROM + 1),)]
    assert rows(engine, "SELECT COUNT(*) FROM payloads") == [(2 * COPY_FROM + 1,)]
    engine.dispose()


def test_two_new_sessions_that_name_one_result_id_share_no_result(engine: Engine) -> None:
    """The first one has it, and the other one is written without it."""
    shared = result("shared", "us-east-1")
    payloads = many(2 * COPY_FROM)
    for payload in payloads[:2]:
        payload["results"].append(shared)

    record(engine, *payloads)

    whose = "SELECT check_session_id FROM result_history WHERE check_result_id = :id"
    [(owner,)] = rows(engine, whose, id=shared["checkResultId"])
    assert owner in {payload["checkSessionId"] for payload in payloads[:2]}
    assert rows(engine, "SELECT COUNT(*) FROM check_sessions") == [(2 * COPY_FROM,)]
    assert rows(engine, "SELECT times FROM contract_surprises WHERE what = :what", what=TAKEN_ID) == [(1,)]


def test_an_answer_that_names_a_result_twice_is_written_once(engine: Engine) -> None:
    payloads = many(2 * COPY_FROM)
    payloads[0]["results"].append(payloads[0]["results"][0])

    record(engine, *payloads)

    assert rows(engine, "SELECT COUNT(*), COUNT(DISTINCT check_result_id) FROM check_results") == [(4 * COPY_FROM,) * 2]
