"""A session that was put together from results gives them up to the real one, whatever way that one comes."""

from typing import Any
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from recorder.db import transact
from recorder.outcomes import BACKFILLED, RECONCILED
from recorder.payloads import parse_session
from recorder.stand_in_store import drop_stand_ins, load_owners
from recorder.store import Recording, Written, record_sessions
from tests.factories import NOW, result, rows, session

OWNERS = (
    "SELECT s.status, COUNT(*) FROM check_results r JOIN check_sessions s ON s.pk = r.session_pk GROUP BY 1 ORDER BY 1"
)


def write(engine: Engine, *payloads: dict[str, Any], origin: str = "import", closes: bool = True) -> Written:
    recordings = [Recording(parse_session(payload), origin, closes=closes) for payload in payloads]

    def record(db: Session) -> Written:
        return record_sessions(db, recordings, now=NOW)

    return transact(engine, record)


def stand_in(*results: dict[str, Any], status: str = BACKFILLED, name: str = "stand-in") -> dict[str, Any]:
    return session(name, list(results), status=status)


def test_an_import_takes_the_results_of_a_stand_in_and_nothing_is_left_of_it(engine: Engine) -> None:
    results = [result("first", "eu-west-1"), result("second", "eu-west-1")]
    write(engine, stand_in(*results), origin="backfill")

    written = write(engine, session("real", results))

    assert (written.sessions, written.results) == (1, 2)
    assert rows(engine, OWNERS) == [("PASSED", 2)]
    assert rows(engine, "SELECT status FROM check_sessions") == [("PASSED",)]
    assert rows(engine, "SELECT COUNT(*) FROM payloads") == [(1,)]


def test_a_stand_in_keeps_what_the_real_session_does_not_have(engine: Engine) -> None:
    """An answer may come in parts; what it lacks is not lost."""
    write(engine, stand_in(result("first", "eu-west-1"), result("second", "eu-west-1")), origin="backfill")

    write(engine, session("real", [result("first", "eu-west-1")]))

    assert rows(engine, OWNERS) == [(BACKFILLED, 1), ("PASSED", 1)]


def test_a_session_that_still_runs_takes_its_results_too(engine: Engine) -> None:
    write(engine, stand_in(result("first", "eu-west-1"), status=RECONCILED), origin="reconciled")

    write(engine, session("real", [result("first", "eu-west-1")], status="PROGRESS"), closes=False)

    assert rows(engine, OWNERS) == [("PROGRESS", 1)]


def test_a_stand_in_takes_nothing_from_another_one_nor_from_a_real_session(engine: Engine) -> None:
    write(
        engine,
        stand_in(result("first", "eu-west-1")),
        session("real", [result("second", "eu-west-1")]),
        origin="backfill",
    )

    write(
        engine,
        stand_in(result("first", "eu-west-1"), result("second", "eu-west-1"), status=RECONCILED, name="other"),
        origin="reconciled",
    )

    assert rows(engine, OWNERS) == [(BACKFILLED, 1), ("PASSED", 1)]


def test_dropping_leaves_real_sessions_and_other_kinds_alone(engine: Engine) -> None:
    write(
        engine,
        stand_in(result("first", "eu-west-1")),
        session("real", [result("second", "eu-west-1")]),
        origin="backfill",
    )
    ids = [UUID(result(name, "eu-west-1")["checkResultId"]) for name in ("first", "second")]

    assert transact(engine, lambda db: drop_stand_ins(db, ids, statuses={RECONCILED})) == 0
    assert transact(engine, lambda db: drop_stand_ins(db, ids)) == 1
    assert set(transact(engine, lambda db: load_owners(db, ids)).values()) == {"PASSED"}
