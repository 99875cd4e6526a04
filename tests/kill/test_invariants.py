"""Each invariant can fail: a ledger that is whole passes, and every way of tampering with it is told by its number."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from recorder import db
from recorder.foreground import follow
from recorder.simulator import witness
from tests.factories import rows
from tests.kill.invariants import Sightings, check_ledger, sight_finals
from tests.kill.points import FIRE_HEADER
from tests.kill.stage import migrated_sqlite
from tests.recording import harness


@dataclass(frozen=True)
class Ledger:
    """A ledger of two triggered fires whose sessions are final, and what was seen of it from outside."""

    engine: Engine
    testimony: witness.Testimony
    sightings: Sightings
    spool: Path

    def broken(self, testimony: witness.Testimony | None = None) -> set[int]:
        """The numbers of the promises that do not hold."""
        found = check_ledger(self.engine, testimony or self.testimony, self.sightings, self.spool)
        return {violation.number for violation in found}

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
            recorder.clock.advance(seconds=20)
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
    assert ledger.broken() == set()
    assert len(ledger.testimony.triggers) == 2
    assert len(ledger.sightings) >= 4


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE schedules SET cursor = '2026-11-18 12:31:00.000'", 1),
        ("UPDATE fires SET scheduled_for = '2026-11-18 12:10:01.000' WHERE pk = 1", 1),
        ("UPDATE fires SET reason = 'overlap' WHERE pk = 1", 1),
        ("UPDATE check_sessions SET fire_pk = 2", 2),
        ("UPDATE fires SET state = 'missed', reason = 'network' WHERE pk = 1", 3),
        ("UPDATE fires SET request_body = '{}' WHERE pk = 1", 3),
        ("UPDATE fires SET intent_at = '2026-11-19 12:00:00.000' WHERE pk = 1", 3),
        ("DELETE FROM check_sessions WHERE fire_pk = 1", 4),
        ("UPDATE check_sessions SET final_at = '2026-11-19 12:00:00.000'", 5),
        ("UPDATE check_sessions SET final_at = NULL, next_poll_at = recorded_at", 5),
        ("UPDATE check_results SET outcome = 'VOID'", 6),
        ("DELETE FROM check_results", 6),
        ("UPDATE fires SET state = 'intent' WHERE pk = 1", 7),
        ("UPDATE check_sessions SET final_at = NULL", 7),
        ("DELETE FROM run_locations", 8),
        ("UPDATE check_results SET session_pk = 999", 8),
    ],
)
def test_what_was_tampered_with_is_told(ledger: Ledger, statement: str, number: int) -> None:
    ledger.tamper(statement)

    assert number in ledger.broken()


def test_a_second_post_for_a_fire_is_told(ledger: Ledger) -> None:
    again = replace(ledger.testimony, triggers=ledger.testimony.triggers + ledger.testimony.triggers[:1])

    assert 2 in ledger.broken(again)


def test_a_post_that_names_no_fire_is_told(ledger: Ledger) -> None:
    nameless = replace(ledger.testimony.triggers[0], headers={})

    assert 3 in ledger.broken(replace(ledger.testimony, triggers=(nameless, *ledger.testimony.triggers[1:])))


def test_a_trigger_that_nobody_saw_is_told(ledger: Ledger) -> None:
    assert {3, 4} <= ledger.broken(witness.Testimony())


def test_an_answer_that_waits_in_the_spool_is_told(ledger: Ledger) -> None:
    ledger.spool.mkdir(exist_ok=True)
    (ledger.spool / "fire-1.json").write_text("{")

    assert ledger.broken() == {7}
