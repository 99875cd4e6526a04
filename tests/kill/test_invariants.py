"""Each invariant can fail: a ledger that is whole passes, and every way of tampering with it is told by its number."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from recorder import db
from recorder.foreground import follow
from recorder.simulator import witness
from tests.factories import rows
from tests.kill.invariants import Sightings, check_ledger, doubled_results, sight_finals, wrong_instants
from tests.kill.points import FIRE_HEADER
from tests.kill.stage import migrated_sqlite
from tests.recording import harness

NO_GAP_COUNT = """
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = replace(sql, 'gap_count INTEGER', 'gap_count INTEGER NOT NULL') WHERE name = 'fires';
    PRAGMA schema_version = 4711
"""
"""Makes the rows break the table's own rules, as a torn page would."""


@dataclass(frozen=True)
class Ledger:
    """A ledger of two triggered fires whose sessions are final, and what was seen of it from outside."""

    engine: Engine
    testimony: witness.Testimony
    sightings: Sightings
    spool: Path

    def told(self, testimony: witness.Testimony | None = None) -> list[str]:
        """What is wrong, a line for each violation with the number of the promise in front."""
        found = check_ledger(self.engine, testimony or self.testimony, self.sightings, self.spool)
        return [str(violation) for violation in found]

    def tamper(self, *statements: str) -> None:
        with self.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.executescript("PRAGMA foreign_keys = OFF;" + ";".join(statements))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """The ledger to tamper with copies of; nothing is connected to it any more."""
    folder = tmp_path_factory.mktemp("whole")
    engine = db.open_engine(migrated_sqlite(folder))
    with harness(engine, folder) as recorder:
        for _ in range(2):
            recorder.clock.advance(minutes=10)
            recorder.triggering.work()
            with recorder.walking_clock():
                follow(recorder.parts, scope=None)
        testified = recorder.checkly.witness()
    pks = [str(pk) for (pk,) in rows(engine, "SELECT pk FROM fires ORDER BY pk")]
    at = "2026-11-18T13:00:00.000Z"  # the witness lives by the real clock, this recorder by one of its own
    triggers = tuple(
        replace(record, headers={FIRE_HEADER: pk}, received_at=at)
        for record, pk in zip(testified.triggers, pks, strict=True)
    )
    sightings = sight_finals(engine)
    engine.dispose()
    return Ledger(engine, replace(testified, triggers=triggers), sightings, folder)


@pytest.fixture
def ledger(whole: Ledger, tmp_path: Path) -> Iterator[Ledger]:
    shutil.copy(whole.spool / "history.db", tmp_path)
    engine = db.open_engine(f"sqlite:///{tmp_path / 'history.db'}")
    yield replace(whole, engine=engine, spool=tmp_path / "spool")
    engine.dispose()


def test_a_whole_ledger_breaks_no_promise(ledger: Ledger) -> None:
    assert ledger.told() == []
    assert len(ledger.testimony.triggers) == 2
    assert len(ledger.sightings) >= 4


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE schedules SET cursor = '2026-11-18 12:31:00.000'", r"\(1\) .* has 0 rows instead of 1"),
        ("UPDATE schedules SET cursor = '2026-11-18 12:11:00.000'", r"\(1\) .* has 1 rows instead of 0"),
        ("UPDATE fires SET scheduled_for = '2026-11-18 12:10:01.000' WHERE pk = 1", r"\(1\) .* is no instant of it"),
        ("UPDATE fires SET reason = 'overlap' WHERE pk = 1", r"\(1\) 1 fires are triggered because of overlap"),
        ("UPDATE fires SET outcome_at = NULL WHERE pk = 1", r"\(1\) fire 1 has ended without a time"),
        ("UPDATE check_sessions SET fire_pk = 2", r"\(2\) POST 1 for fire 1 has its sessions at fires \{2\}"),
        ("UPDATE check_sessions SET fire_pk = 2", r"\(2\) fire 2 has sessions of POSTs \[1, 2\]"),
        ("UPDATE fires SET state = 'missed', reason = 'network' WHERE pk = 1", r"\(3\) .* its fire 1 is missed"),
        ("DELETE FROM fires WHERE pk = 1", r"\(3\) .* its fire 1 is in no ledger"),
        ("UPDATE fires SET request_body = '{}' WHERE pk = 1", r"\(3\) POST 1 carried another body"),
        ("UPDATE fires SET intent_at = '2026-11-19 12:00:00.000' WHERE pk = 1", r"\(3\) .* before the intent of"),
        ("DELETE FROM check_sessions WHERE fire_pk = 1", r"\(4\) session .* of fire 1 is not stored"),
        ("UPDATE check_sessions SET final_at = '2026-11-19 12:00:00.000'", r"\(5\) .* is now final at 2026-11-19"),
        ("UPDATE check_sessions SET final_at = NULL, next_poll_at = started_at", r"\(5\) .* is now final at None"),
        ("UPDATE check_sessions SET next_poll_at = started_at", r"\(5\) .* is final and still asked for"),
        ("UPDATE check_results SET outcome = 'VOID'", r"\(6\) check_results: [1-9]\d* rows changed"),
        ("DELETE FROM check_results", r"\(6\) check_results: 0 rows changed and [1-9]\d* were added"),
        ("UPDATE fires SET state = 'intent' WHERE pk = 1", r"\(7\) fire 1 .* is intent for ever"),
        ("UPDATE fires SET state = 'due' WHERE pk = 1", r"\(7\) fire 1 .* is due for ever"),
        ("UPDATE check_sessions SET final_at = NULL", r"\(7\) session .* for ever"),
        ("DELETE FROM run_locations", r"\(8\) [1-9]\d* rows of check_results.run_location_pk lead nowhere"),
        ("UPDATE check_results SET session_pk = 999", r"\(8\) [1-9]\d* rows of check_results.session_pk lead nowhere"),
        (NO_GAP_COUNT, r"\(8\) integrity: NULL value in fires.gap_count"),
    ],
)
def test_what_was_tampered_with_is_told(ledger: Ledger, statement: str, told: str) -> None:
    ledger.tamper(statement)

    assert [line for line in ledger.told() if re.match(told, line)]


@pytest.mark.parametrize(
    ("table", "check", "told"),
    [
        ("fires", wrong_instants, "has 2 rows instead of 1"),
        ("check_sessions", doubled_results, "check_session_id .* has 2 rows"),
        ("check_results", doubled_results, "check_result_id .* has 2 rows"),
    ],
)
def test_a_row_that_is_there_twice_is_told_without_the_help_of_its_key(
    ledger: Ledger, table: str, check: Callable[[Session], Iterator[str]], told: str
) -> None:
    ledger.tamper(
        f"CREATE TABLE keyless AS SELECT * FROM {table}",  # noqa: S608 - names above
        f"DROP TABLE {table}",
        "PRAGMA legacy_alter_table = ON",
        f"ALTER TABLE keyless RENAME TO {table}",
        f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1",  # noqa: S608 - names above
    )

    with Session(ledger.engine) as session:
        assert [line for line in check(session) if re.search(told, line)]


def test_a_second_post_for_a_fire_is_told(ledger: Ledger) -> None:
    again = replace(ledger.testimony, triggers=ledger.testimony.triggers + ledger.testimony.triggers[:1])

    assert "(2) fire 1 was sent 2 times" in ledger.told(again)


def test_a_post_that_names_no_fire_is_told(ledger: Ledger) -> None:
    nameless = replace(ledger.testimony.triggers[0], headers={})
    told = ledger.told(replace(ledger.testimony, triggers=(nameless, *ledger.testimony.triggers[1:])))

    assert "(3) POST 1 was acted on, its fire 0 is in no ledger" in told


def test_a_trigger_that_nobody_saw_is_told(ledger: Ledger) -> None:
    told = ledger.told(witness.Testimony())

    assert "(3) fire 1 is triggered, no POST arrived" in told
    assert [line for line in told if re.match(r"\(4\) session .* is stored, nobody started it", line)]


def test_an_answer_that_waits_in_the_spool_is_told(ledger: Ledger) -> None:
    ledger.spool.mkdir(exist_ok=True)
    (ledger.spool / "fire-1.json").write_text("{")

    assert ledger.told() == ["(7) fire-1.json still lies in the spool"]
