"""The writer: a row that the tables refuse hurts only itself, a database that is away costs nothing but time."""

import queue
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from recorder.checkly import ChecklyClient
from recorder.dimensions import table_of
from recorder.errors import DatabaseError
from recorder.models import RunLocation
from recorder.pacing import LATE_POLL
from recorder.payloads import SessionSnapshot, parse_session
from recorder.store import Recording, record_sessions
from recorder.tracking import BATCH_WAIT_S, Fetched
from recorder.writing import write_together
from tests.factories import NOW, rows, session
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


@pytest.mark.parametrize(
    "poison",
    [2**70, "lone \ud800 surrogate", ["a list"], object()],
    ids=["too large", "surrogate", "list", "object"],
)
def test_a_value_that_no_driver_takes_is_poison_as_well(engine: Engine, poison: Any) -> None:
    """Whatever it is: the thread that writes must not end over it, and must not try it for ever."""
    if engine.dialect.name == "postgresql":  # which makes text of a number and of a list
        poison = {"a": poison} if isinstance(poison, int | list) else poison
    refused: list[Any] = []

    done = write_together(engine, ["a", poison, "b"], write_names, on_poison=lambda name, _: refused.append(name))

    assert (done, refused) == ([1, 1], [poison])
    assert rows(engine, "SELECT name FROM run_locations ORDER BY name") == [("a",), ("b",)]


@pytest.mark.parametrize("change", [{"started_at": datetime(2026, 11, 22)}, {"status": None}])  # noqa: DTZ001
def test_a_session_of_which_a_part_can_be_no_value_is_poison(engine: Engine, change: dict[str, Any]) -> None:
    """SQLAlchemy itself refuses a time without a zone, the table a session without a status."""
    sessions = [parse_session(session(name)) for name in ("one", "two", "three")]
    sessions[1] = replace(sessions[1], **change)
    refused: list[Any] = []

    def write(db: Session, some: Sequence[SessionSnapshot]) -> int:
        return record_sessions(db, [Recording(one, "import", closes=True) for one in some], now=NOW).sessions

    done = write_together(engine, sessions, write, on_poison=lambda one, _: refused.append(one))

    assert (done, refused) == ([1, 1], [sessions[1]])


def test_what_a_trigger_of_somebody_s_own_raises_is_a_refusal(engine: Engine) -> None:
    """PostgreSQL gives it a class of its own, P0001."""
    with engine.begin() as connection:
        for statement in RAISING[engine.dialect.name]:
            connection.exec_driver_sql(statement)
    refused: list[Any] = []

    done = write_together(engine, ["a", "poison", "b"], write_names, on_poison=lambda name, _: refused.append(name))

    assert (done, refused) == ([1, 1], ["poison"])


RAISING = {
    "sqlite": (
        """CREATE TRIGGER refuse BEFORE INSERT ON run_locations WHEN NEW.name = 'poison'
        BEGIN SELECT RAISE(ABORT, 'not that one'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION refuse() RETURNS trigger AS $$
        BEGIN IF NEW.name = 'poison' THEN RAISE EXCEPTION 'not that one'; END IF; RETURN NEW; END
        $$ LANGUAGE plpgsql""",
        "CREATE TRIGGER refuse BEFORE INSERT ON run_locations FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
}
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


def test_an_answer_that_no_row_can_be_made_of_ends_no_thread(sqlite_engine: Engine, tmp_path: Path) -> None:
    """The parser lets none through; if one comes all the same, it is kept aside and the others are recorded."""
    with harness(sqlite_engine, tmp_path) as recorder:
        started = trigger(recorder)
        seen: list[Fetched] = []
        tracker = recorder.parts.tracker(on_seen=seen.append)
        new_client = tracker._new_client  # noqa: SLF001 - Checkly itself sends no such thing
        tracker._new_client = lambda: Spoiling(new_client(), started[0])  # type: ignore[assignment,return-value]  # noqa: SLF001
        tracker.start()
        wait_until(lambda: len(seen) == len(started), "every answer to be seen")
        tracker.stop()

    assert rows(sqlite_engine, "SELECT COUNT(final_at) FROM check_sessions") == [(len(started) - 1,)]
    [(kind, why)] = rows(sqlite_engine, "SELECT kind, why FROM payloads WHERE session_pk IS NULL")
    assert (kind, "OverflowError" in why) == ("malformed", True)


@dataclass
class Spoiling:
    """A client that makes one session's answers such as no column holds."""

    client: ChecklyClient
    spoilt: UUID

    def fetch_completion(self, check_session_id: UUID, *, max_wait_s: int) -> Any:
        answer = self.client.fetch_completion(check_session_id, max_wait_s=max_wait_s)
        if isinstance(answer, SessionSnapshot) and check_session_id == self.spoilt:
            return replace(answer, time_elapsed_ms=2**70)
        return answer

    def close(self) -> None:
        self.client.close()


def test_an_answer_after_a_pause_is_written_at_once(engine: Engine, tmp_path: Path) -> None:
    """Those that come on its heels wait for each other, up to 250 ms after the batch before."""
    with harness(engine, tmp_path) as recorder:
        tracker = recorder.parts.tracker()
        outbox = tracker._outbox = Waits()  # noqa: SLF001 - what batches are made of

        tracker._next_batch()  # noqa: SLF001
        after_a_pause = outbox.asked[1:]
        outbox.asked.clear()
        tracker._next_batch()  # noqa: SLF001
        on_its_heels = outbox.asked[1:]

    assert after_a_pause == [0.0]
    assert len(on_its_heels) == 1
    assert 0.0 < on_its_heels[0] <= BATCH_WAIT_S


class Waits(queue.Queue[Any]):
    """Has one thing for each batch, and keeps how long it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - as it is there
        self.asked.append(timeout or 0.0)
        if len(self.asked) > 1:
            raise queue.Empty
        return object()


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
