"""No answer is lost while its process lives: neither to a full disk, nor to a database that is away with it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from recorder.db import transact
from recorder.errors import DatabaseError
from recorder.ledger import open_intent
from recorder.safekeeping import Safekeeping
from recorder.targets import Target
from tests.factories import NOW
from tests.recording import Harness, harness


@pytest.fixture
def recorder(sqlite_engine: Engine, tmp_path: Path) -> Iterator[Harness]:
    with harness(sqlite_engine, tmp_path) as made:
        yield made


def fill_database(engine: Engine) -> None:
    """From here on the database refuses to write what came of a fire."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER is_full BEFORE UPDATE ON fires WHEN NEW.state = 'triggered' "
            "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )


def free_database(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER is_full")


def block(folder: Path) -> None:
    """Make the spool a place where nothing can be written."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("")


def lose_an_answer(recorder: Harness) -> Safekeeping:
    """A trigger whose answer meets a full database and a spool that was blocked meanwhile."""
    keeping = Safekeeping(recorder.engine, spool=recorder.spool, now=recorder.clock.now)
    owner = recorder.parts.owner
    fire = transact(
        recorder.engine, lambda session: open_intent(session, owner=owner, origin="schedule", body=b"{}", now=NOW)
    )
    with recorder.parts.new_client() as client, keeping.reserve() as room:
        answer = client.trigger(Target((("critical",),)).request_body())
        fill_database(recorder.engine)
        block(recorder.spool.folder)
        with pytest.raises(DatabaseError, match="full"):
            keeping.write(fire, answer, recorder.follow, room)
    return keeping


def test_without_room_for_the_answer_nothing_is_sent(recorder: Harness) -> None:
    """The fire stays due until its grace is over: no session is started that nobody could write down."""
    recorder.clock.advance(minutes=10)
    block(recorder.spool.folder)

    with pytest.raises(DatabaseError, match=r"the spool .* cannot be written"):
        recorder.triggering.work()

    assert recorder.fires() == ["due"]
    assert recorder.triggers_received() == 0


def test_an_answer_that_nothing_takes_is_written_once_the_database_is_back(recorder: Harness) -> None:
    """The spool may be gone for good."""
    keeping = lose_an_answer(recorder)
    with pytest.raises(DatabaseError, match="full"):
        keeping.replay(older_than=NOW - NOW)
    free_database(recorder.engine)

    replayed = keeping.replay(older_than=NOW - NOW)

    assert replayed == 1
    assert recorder.fires() == ["triggered"]
    assert recorder.session_ids() == recorder.session_ids_seen_by_the_witness()


def test_an_answer_that_nothing_takes_goes_to_the_spool_once_the_disk_is_back(recorder: Harness) -> None:
    """There the next process finds it, should this one die."""
    keeping = lose_an_answer(recorder)
    recorder.spool.folder.unlink()
    with pytest.raises(DatabaseError, match="full"):
        keeping.replay(older_than=NOW - NOW)
    free_database(recorder.engine)

    replayed = recorder.restart().triggering.replay_spool()

    assert replayed == 1
    assert recorder.session_ids() == recorder.session_ids_seen_by_the_witness()


def test_the_session_ids_of_an_answer_that_is_not_spooled_are_in_the_log_once(recorder: Harness) -> None:
    """The last resort, should the process be killed before the disk is back."""
    with capture_logs() as logged:
        keeping = lose_an_answer(recorder)
        with pytest.raises(DatabaseError):
            keeping.replay(older_than=NOW - NOW)

    told = [line["sessions"] for line in logged if line["log_level"] == "error"]
    assert [set(ids) for ids in told] == [recorder.session_ids_seen_by_the_witness()]


def test_a_damaged_spool_file_is_named_once_by_each_process(recorder: Harness) -> None:
    """The sweep comes by every few seconds."""
    recorder.spool.folder.mkdir()
    (recorder.spool.folder / "fire-1-cut.json").write_text('{"fire_pk": 1, "own')

    with capture_logs() as logged:
        recorder.triggering.replay_spool()
        recorder.triggering.replay_spool()

    assert [line["event"] for line in logged] == ["spool file left alone"]
