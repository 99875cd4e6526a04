"""What a dead process leaves behind: intents that nobody can answer for, and answers that reached only the disk."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select, text

from recorder.db import transact
from recorder.errors import DatabaseError
from recorder.models import CheckSession
from recorder.open_sessions import claim_open_sessions, resume
from recorder.simulator.faults import Fault, FaultKind
from recorder.spool import SpooledAnswer
from tests.factories import rows
from tests.recording import Harness, harness, intent, spooled, trigger_without_writing


@pytest.fixture
def recorder(engine: Engine, tmp_path: Path) -> Iterator[Harness]:
    with harness(engine, tmp_path) as made:
        yield made


def test_an_intent_of_a_dead_owner_is_ambiguous_and_never_sent(recorder: Harness) -> None:
    """Killed between the intent's commit and the answer: nobody can say whether the request left."""
    lost = intent(recorder)

    successor = recorder.restart()
    given_up = successor.triggering.give_up_orphans(lock_proves=True)
    successor.triggering.work()

    assert lost.attempt == 1
    assert given_up == 1
    assert recorder.fires() == ["ambiguous: owner_lost"]
    assert recorder.triggers_received() == 0


def test_without_a_lock_a_fresh_intent_is_left_to_its_owner(recorder: Harness) -> None:
    """On PostgreSQL, and for a command in the foreground, the owner may well be alive."""
    intent(recorder)
    successor = recorder.restart()

    fresh = successor.triggering.give_up_orphans(lock_proves=False)
    recorder.clock.advance(minutes=3)
    old = successor.triggering.give_up_orphans(lock_proves=False)

    assert (fresh, old) == (0, 1)


def test_an_answer_in_the_spool_becomes_sessions_after_a_restart(recorder: Harness) -> None:
    """Killed between the answer and the commit: the answer on disk is all there is of the sessions."""
    answer = trigger_without_writing(recorder)
    fire = intent(recorder)
    recorder.spool.keep(spooled(fire, answer))

    replayed = recorder.restart().triggering.replay_spool()
    again = recorder.restart().triggering.replay_spool()

    assert (replayed, again) == (1, 0)
    assert recorder.fires() == ["triggered"]
    assert recorder.session_ids() == recorder.session_ids_seen_by_the_witness()


def test_a_cut_spool_file_is_left_alone_and_the_rest_goes_on(recorder: Harness) -> None:
    answer = trigger_without_writing(recorder)
    fire = intent(recorder)
    path = recorder.spool.keep(spooled(fire, answer))
    cut = path.with_name("fire-0.json")
    cut.write_bytes(path.read_bytes()[:100])

    replayed = recorder.triggering.replay_spool()

    assert replayed == 1
    assert cut.exists()


def test_an_answer_that_belongs_to_another_database_is_left_for_it(recorder: Harness) -> None:
    """Two databases may share a folder, and count their fires from one both."""
    answer = trigger_without_writing(recorder)
    fire = intent(recorder)
    path = recorder.spool.keep(spooled(replace(fire, owner=uuid4()), answer))

    assert recorder.restart().triggering.replay_spool() == 0

    assert path.exists()
    assert recorder.session_ids() == set()


def test_sessions_from_the_spool_are_followed_as_long_as_their_schedule_said(recorder: Harness) -> None:
    """The time counts from the moment they are written, and the wish to cancel is kept."""
    answer = trigger_without_writing(recorder)
    recorder.spool.keep(spooled(intent(recorder), answer, session_timeout=timedelta(minutes=7)))

    recorder.restart().triggering.replay_spool()

    with recorder.engine.connect() as connection:
        deadlines = connection.execute(select(CheckSession.deadline_at).distinct()).scalars().all()
    assert deadlines == [recorder.clock.at + timedelta(minutes=7)]


def test_a_clock_set_back_since_keeps_nothing_from_being_taken_up(recorder: Harness) -> None:
    """The lock proves that the owner is dead, and nobody else is at the spool."""
    recorder.clock.advance(minutes=10)
    recorder.triggering.work()
    recorder.spool.keep(spooled(intent(recorder), trigger_without_writing(recorder)))
    lost = intent(recorder)
    recorder.clock.advance(hours=-6)
    successor = recorder.restart()

    taken_up = successor.triggering.take_up_spool()
    given_up = successor.triggering.give_up_orphans(lock_proves=True)
    transact(recorder.engine, lambda db: resume(db, now=recorder.clock.now()))
    claimed = transact(recorder.engine, lambda db: claim_open_sessions(db, now=recorder.clock.now(), limit=100))

    assert (taken_up, given_up) == (1, 1)
    assert rows(recorder.engine, "SELECT state FROM fires WHERE pk = :pk", pk=lost.pk) == [("ambiguous",)]
    assert len(claimed) == recorder.sessions() > 0


def test_an_answer_that_nobody_can_read_waits_in_the_spool_for_its_database(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    """Its ids are nowhere else."""
    with harness(sqlite_engine, tmp_path) as recorder:
        recorder.clock.advance(minutes=10)
        recorder.checkly.inject(Fault(kind=FaultKind.TRUNCATE, route="trigger"))
        refuse = "CREATE TRIGGER refuse BEFORE INSERT ON payloads BEGIN SELECT RAISE(ABORT, 'refused'); END"
        with sqlite_engine.begin() as connection:
            connection.execute(text(refuse))
        with pytest.raises(DatabaseError, match=r"refused .*do not send it again: the answer waits in the spool"):
            recorder.triggering.work()
        [(_, kept)] = recorder.spool.waiting()
        with sqlite_engine.begin() as connection:
            connection.execute(text("DROP TRIGGER refuse"))

        replayed = recorder.triggering.replay_spool()

        assert isinstance(kept, SpooledAnswer)
        assert kept.body.startswith(b'{"sessions"')
        assert replayed == 1
        assert recorder.fires() == ["ambiguous: bad_body"]
        assert rows(sqlite_engine, "SELECT COUNT(*) FROM payloads WHERE kind = 'trigger'") == [(1,)]
        assert recorder.triggers_received() == 1
