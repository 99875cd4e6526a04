"""Looking at the history: status, lists, one session, and queries of one's own that cannot write."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from recorder import db
from recorder.db import transact
from recorder.errors import DatabaseError
from recorder.inspecting import SessionFilter, find_session, list_sessions, query
from recorder.models import is_sqlite
from tests.factories import NOW, dump, record, result, rows, session, some_id

STARTED = datetime(2026, 11, 18, 11, 0, tzinfo=UTC)

WRITES = (
    "DELETE FROM fires",
    "UPDATE checks SET name = 'x'",
    "INSERT INTO run_locations (pk, name) VALUES (99, 'x')",
    "DROP VIEW session_history",
    "CREATE TABLE mine (x INTEGER)",
    "CREATE TEMP TABLE mine (x INTEGER)",
    "SELECT 1; DELETE FROM fires",
    "COMMIT; DELETE FROM payloads",
    "WITH gone AS (SELECT 1) DELETE FROM payloads",
    "VACUUM",
)
WRITES_OF_SQLITE = (
    "ANALYZE",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA query_only = OFF",
    "PRAGMA user_version = 7",
    "ATTACH DATABASE 'other.db' AS other",
    "VACUUM INTO 'copy.db'",
    "UPDATE sqlite_master SET sql = ''",
    "BEGIN IMMEDIATE",
)
WRITES_OF_POSTGRESQL = (
    "SET TRANSACTION READ WRITE; DELETE FROM payloads",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "WITH gone AS (DELETE FROM payloads RETURNING 1) SELECT * FROM gone",
    "DO $$ BEGIN DELETE FROM payloads; END $$",
    "COPY checks TO STDOUT",
    "SELECT * FROM checks FOR UPDATE",
)


def test_a_query_gives_names_and_rows(engine: Engine) -> None:
    """Of the views, as the documentation shows them."""
    record(engine, session())

    columns, found = query(engine, "SELECT check_name, outcome, time_elapsed_ms FROM session_history")

    assert (columns, found) == (["check_name", "outcome", "time_elapsed_ms"], [("Checkout", "PASS", 2000)])


def test_times_and_truth_values_have_their_types_on_both_databases(engine: Engine) -> None:
    """SQLite holds text and numbers, and a count that is called like a truth value stays a number."""
    record(engine, session())

    _, [found] = query(
        engine,
        "SELECT started_at, MAX(stopped_at) OVER (), has_attempts, run_hour, "
        "SUM(CASE WHEN excluded THEN 0 ELSE 1 END) OVER () AS excluded FROM session_history",
    )

    assert found == (STARTED, STARTED + timedelta(seconds=2), False, 11, 1)
    assert type(found[2]) is bool
    assert type(found[4]) is not bool


def test_the_same_column_twice_hides_none(engine: Engine) -> None:
    """In JSON a name can stand only once."""
    columns, found = query(engine, "SELECT 1 AS n, 2 AS n, 3 AS n_2, 4 AS m")

    assert (columns, found) == (["n", "n_2", "n_2_2", "m"], [(1, 2, 3, 4)])


def test_percent_signs_colons_and_question_marks_mean_what_they_mean_in_sql(engine: Engine) -> None:
    """No driver takes them for parameters."""
    record(engine, session())

    _, found = query(engine, "SELECT '100%', '%s', ':x', '?' FROM checks WHERE name LIKE '%eck%'")

    assert found == [("100%", "%s", ":x", "?")]


def test_a_query_without_rows_has_its_columns(engine: Engine) -> None:
    assert query(engine, "SELECT name, check_type FROM checks") == (["name", "check_type"], [])


@pytest.mark.parametrize("sql", WRITES)
def test_a_statement_that_would_write_is_refused_and_nothing_changes(engine: Engine, sql: str) -> None:
    """By the database, whatever words it begins with."""
    _assert_refused(engine, sql)


@pytest.mark.parametrize("sql", WRITES_OF_SQLITE)
def test_what_only_sqlite_could_change_is_refused(
    sqlite_engine: Engine, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of the file, other files."""
    monkeypatch.chdir(tmp_path)

    _assert_refused(sqlite_engine, sql)

    assert rows(sqlite_engine, "PRAGMA journal_mode") == [("wal",)]
    assert rows(sqlite_engine, "PRAGMA user_version") == [(0,)]
    assert not (tmp_path / "other.db").exists()
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("sql", WRITES_OF_POSTGRESQL)
def test_what_only_postgresql_could_change_is_refused(postgresql_engine: Engine, sql: str) -> None:
    """The words that would end the transaction that is read only, or hide a write in a read."""
    _assert_refused(postgresql_engine, sql)


@pytest.mark.parametrize("sql", ["selec", "SELECT * FROM nowhere", "SELECT 'open", "SELECT nothing_such FROM checks"])
def test_a_mistake_in_the_sql_is_one_line(engine: Engine, sql: str) -> None:
    with pytest.raises(DatabaseError) as refusal:
        query(engine, sql)

    assert "\n" not in str(refusal.value)
    assert query(engine, "SELECT 1")[1] == [(1,)]


def test_sqlite_may_be_asked_about_its_tables_and_take_json_apart(sqlite_engine: Engine) -> None:
    """Both look like writes to the one that watches over the statement."""
    record(sqlite_engine, session())

    _, tables = query(sqlite_engine, "SELECT name FROM pragma_table_list WHERE name = 'session_history'")
    _, locations = query(sqlite_engine, "SELECT j.value FROM session_history, json_each(run_locations) j ORDER BY 1")

    assert tables == [("session_history",)]
    assert locations == [("eu-central-1",), ("us-east-1",)]


def test_times_are_utc_whatever_the_zone_of_the_server(postgresql_engine: Engine) -> None:
    """And so are those that SQL cuts into days."""
    record(postgresql_engine, session())
    with postgresql_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {postgresql_engine.url.database} SET timezone = 'Pacific/Auckland'")
    postgresql_engine.dispose()

    _, [found] = query(postgresql_engine, "SELECT started_at, CAST(started_at AS date) FROM check_sessions")

    assert found == (STARTED, date(2026, 11, 18))
    assert found[0].utcoffset() == timedelta(0)


def test_reading_waits_for_no_writer(sqlite_engine: Engine) -> None:
    """A report or a query beside a busy daemon sees what was committed last."""
    record(sqlite_engine, session())
    with sqlite_engine.begin() as writer:
        writer.exec_driver_sql("DELETE FROM payloads")

        assert query(sqlite_engine, "SELECT COUNT(*) FROM payloads")[1] == [(1,)]
        assert len(list_sessions(sqlite_engine, SessionFilter())) == 1


def listed(engine: Engine, **wanted: Any) -> list[str]:
    return [row["check_name"] for row in list_sessions(engine, SessionFilter(**wanted))]


@pytest.fixture
def three(engine: Engine) -> Engine:
    """Three sessions of three checks, an hour apart, the last one failed."""
    names = ("Checkout 100%", "Login", "checkout_eu")
    for number, name in enumerate(names):
        record(
            engine,
            session(
                name,
                [],
                name=name,
                checkId=some_id(f"check {name}"),
                status="FAILED" if number == 2 else "PASSED",
                startedAt=f"2026-11-18T{9 + number:02}:00:00.000Z",
            ),
        )
    return engine


def test_sessions_are_listed_newest_first_up_to_the_limit(three: Engine) -> None:
    assert listed(three) == ["checkout_eu", "Login", "Checkout 100%"]
    assert listed(three, limit=1) == ["checkout_eu"]


def test_sessions_are_found_by_part_of_the_name_in_any_case(three: Engine) -> None:
    """Signs that SQL would take for wildcards are only themselves."""
    assert listed(three, check="CHECKOUT") == ["checkout_eu", "Checkout 100%"]
    assert listed(three, check="%") == ["Checkout 100%"]
    assert listed(three, check="_") == ["checkout_eu"]
    assert listed(three, check="!") == []


def test_sessions_are_found_by_check_id_status_and_start(three: Engine) -> None:
    """Each alone, and together; the start itself belongs to it."""
    assert listed(three, check=some_id("check Login").upper()) == ["Login"]
    assert listed(three, status="failed") == ["checkout_eu"]
    assert listed(three, since=datetime(2026, 11, 18, 10, tzinfo=UTC)) == ["checkout_eu", "Login"]
    assert listed(three, status="PASSED", since=datetime(2026, 11, 18, 10, tzinfo=UTC)) == ["Login"]


def test_a_listed_session_has_plain_values(three: Engine) -> None:
    """Times are times and locations a list, on both databases."""
    row = list_sessions(three, SessionFilter(limit=1))[0]

    assert row["started_at"] == datetime(2026, 11, 18, 11, tzinfo=UTC)
    assert row["run_locations"] == ["eu-central-1", "us-east-1"]


def test_one_session_is_shown_with_its_results_by_location(engine: Engine) -> None:
    """Attempts included, in the order in which they ran."""
    results = [
        result("one", "us-east-1"),
        result("one", "eu-central-1", startedAt="2026-11-18T11:00:01.500Z"),
        result("one", "eu-central-1", resultType="ATTEMPT", hasFailures=True),
    ]
    record(engine, session("one", results))

    found = find_session(engine, UUID(some_id("one")))

    assert found is not None
    assert (found["has_attempts"], found["excluded"]) == (True, False)
    assert type(found["excluded"]) is bool
    assert found["final_at"] == NOW
    assert [(row["run_location"], row["result_type"], row["attempts"]) for row in found["results"]] == [
        ("eu-central-1", "ATTEMPT", 0),
        ("eu-central-1", "FINAL", 1),
        ("us-east-1", "FINAL", 0),
    ]
    assert found["results"][0]["result_started_at"] == STARTED + timedelta(seconds=1)


def test_a_session_that_is_not_recorded_is_none(engine: Engine) -> None:
    record(engine, session("one"))

    assert find_session(engine, UUID(some_id("another"))) is None


@pytest.fixture
def postgresql_engine(new_postgresql: str) -> Iterator[Engine]:
    """A migrated PostgreSQL of its own."""
    opened = db.open_engine(new_postgresql)
    db.upgrade(opened)
    yield opened
    opened.dispose()


def _assert_refused(engine: Engine, sql: str) -> None:
    record(engine, session())
    before, names = dump(engine), _names(engine)

    with pytest.raises(DatabaseError) as refusal:
        query(engine, sql)

    assert "\n" not in str(refusal.value)
    assert (dump(engine), _names(engine)) == (before, names)
    transact(engine, lambda work: work.connection().exec_driver_sql("DELETE FROM payloads"))


def _names(engine: Engine) -> list[tuple[Any, ...]]:
    if is_sqlite(engine):
        return rows(engine, "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2")
    return rows(engine, "SELECT relkind, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 2")


@pytest.mark.parametrize(
    ("zone", "at"), [("Asia/Tokyo", "9999-12-31T23:59:59.000Z"), ("America/New_York", "0001-01-01T00:00:00.000Z")]
)
def test_a_time_at_the_end_of_all_times_is_read_whatever_the_server_s_zone(
    new_postgresql: str, zone: str, at: str
) -> None:
    """In the server's own zone it lies in the year 10000, or in 1 BC, of which Python knows neither."""
    engine = db.open_engine(new_postgresql)
    zoned = f"ALTER DATABASE {engine.url.database} SET timezone TO '{zone}'"
    transact(engine, lambda one: one.connection().exec_driver_sql(zoned))
    engine.dispose()  # the next connection hears of it
    db.upgrade(engine)
    record(engine, session("far", startedAt=at, stoppedAt=at))

    [found] = list_sessions(engine, SessionFilter())

    engine.dispose()
    assert found["started_at"].year == int(at[:4])
