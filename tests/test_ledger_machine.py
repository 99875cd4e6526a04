"""The ledger as a state machine: whatever happens in whatever order, each due time is sent at most once.

Hypothesis moves a fake clock, lets Checkly answer in every way, kills the process between any two steps, changes the
configuration and lets a person decide; the database and the recorder are real, the network is a desk that takes notes.
"""

import itertools
import math
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, cast
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from recorder import db, reconciling, wiring
from recorder.budget import RequestBudget
from recorder.checkly import ChecklyClient
from recorder.config import Settings, load_settings
from recorder.db import transact
from recorder.materialising import Follow
from recorder.models import CheckSession, Fire, Schedule
from recorder.payloads import parse_session
from recorder.spool import Spool
from recorder.store import Recording, record_sessions
from recorder.targets import Target
from recorder.triggering import Triggering
from tests.desk import ANSWERS, Desk, Killed
from tests.factories import NOW, running, session, some_id
from tests.kill.invariants import REASONS, multiples
from tests.kill.points import POINTS, WatchedSpool, watch_commits

CONFIGURATION = """
[[schedules]]
name = "{name}"
every = "{every}"
check_ids = ["{check_id}"]
{more}
"""
SCHEDULES = {
    "polite": ("7m", ""),
    "eager": ("5m", 'overlap = "allow"\njitter = "90s"'),
    "strict": ("11m", 'overlap = "allow"\nmisfire = "skip"\nmisfire_grace = "4m"'),
}
STEPS = (
    *(point for point in POINTS if "results" not in point),
    *("before_post", "before_return_commit", "after_return_commit"),
)
SOON = st.integers(0, 700)
"""Seconds in which one instant or two become due."""


TICK: Final = timedelta(milliseconds=1)


class FreeBudget(RequestBudget):
    """Requests without number: a 429 is an answer here and no reason to wait in real time."""

    def take_for_trigger(self, stop: threading.Event, *, at_most_s: float = math.inf) -> bool:
        return not stop.is_set()


class LedgerMachine(RuleBasedStateMachine):
    """One recorder at a time, on one SQLite database."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-machine-"))
        shutil.copy(self.template, self.folder / "history.db")
        self.engine = db.open_engine(f"sqlite:///{self.folder / 'history.db'}")
        self.desk = Desk(self.engine)
        self.now = NOW + timedelta(milliseconds=250)
        self.ticks = itertools.count()
        self.configured = frozenset(SCHEDULES)
        self.finals: dict[UUID, datetime | None] = {}
        self.patches = pytest.MonkeyPatch()
        self.patches.setattr(wiring, "spool_for", self._spool)
        self.patches.setattr(wiring, "RequestBudget", FreeBudget)
        watch_commits(self.engine, self.desk.reached)

    def teardown(self) -> None:
        self.patches.undo()
        self.engine.dispose()
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        self._start()

    @rule(seconds=st.integers(1, 4_000))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(seconds=st.integers(1, 900))
    def the_clock_is_set_back(self, seconds: int) -> None:
        self.now -= timedelta(seconds=seconds)

    @rule()
    def materialise(self) -> None:
        self.triggering.materialise()

    @rule(seconds=SOON, answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=4))
    def work(self, seconds: int, answers: list[str]) -> None:
        self.now += timedelta(seconds=seconds)
        self.desk.answers = answers
        self.triggering.work()

    @rule(seconds=SOON, answers=st.lists(st.sampled_from(ANSWERS), max_size=1), deadly=st.sampled_from(STEPS))
    def die_at_work(self, seconds: int, answers: list[str], deadly: str) -> None:
        """Killed at this point, if it is reached; a new process takes over."""
        self.now += timedelta(seconds=seconds)
        self.desk.answers, self.desk.deadly = answers, deadly
        try:
            self.triggering.work()
        except Killed:
            self._start()
        self.desk.deadly = None

    @rule(deadly=st.sampled_from(STEPS))
    def die_while_recovering(self, deadly: str) -> None:
        self.desk.deadly = deadly
        try:
            self._start()
        except Killed:
            self._start()
        self.desk.deadly = None

    @rule(name=st.sampled_from(sorted(SCHEDULES)), answer=st.sampled_from(ANSWERS))
    def a_person_triggers(self, name: str, answer: str) -> None:
        """By hand, beside the schedule: a fire of its own."""
        self.desk.answers = [answer]
        if name in self.configured:
            follow, target = Follow(timedelta(hours=1)), Target(check_ids=(UUID(some_id(name)),))
            self.triggering.trigger_now(target, follow=follow, schedule=name, origin="manual")

    @rule(names=st.frozensets(st.sampled_from(sorted(SCHEDULES)), min_size=1))
    def configuration_changes(self, names: frozenset[str]) -> None:
        self.configured = names
        self._start()

    @precondition(lambda self: self.desk.posts)
    @rule(data=st.data(), ends=st.lists(st.booleans(), min_size=1, max_size=3))
    def answers_come(self, data: st.DataObject, ends: list[bool]) -> None:
        """The tracker writes what it saw of a stored session: its end, or a late word of its beginning."""
        known = self._stored_sessions()
        names = [name for post in self.desk.posts for name in post.sessions if UUID(some_id(name)) in known]
        if names:
            name = data.draw(st.sampled_from(names))
            for over in ends:
                snapshot = parse_session(session(name) if over else running(name))
                recording = Recording(snapshot, "schedule", closes=over)
                transact(self.engine, partial(self._record, recording))

    @rule(data=st.data(), ran=st.booleans())
    def a_person_decides(self, data: st.DataObject, ran: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        if ambiguous := [fire.pk for fire in self._fires() if fire.state == "ambiguous"]:
            pk = data.draw(st.sampled_from(ambiguous))
            reconciling.resolve(self.engine, pk, ran=ran, who="somebody", now=lambda: self.now)

    @rule()
    def an_old_answer_returns(self) -> None:
        """A file of the spool comes back, as out of a backup: nothing changes."""
        for path in (self.folder / "kept").glob("fire-*.json"):
            shutil.copy(path, self.folder / "spool" / path.name)
        self.triggering.replay_spool()

    @invariant()
    def each_instant_has_one_row(self) -> None:
        """Also those in which it was out of the configuration, and those of a clock that ran ahead and was set back."""
        with Session(self.engine) as db_session:
            for schedule in db_session.scalars(select(Schedule)).all():
                every = timedelta(minutes=int(SCHEDULES[schedule.name][0].removesuffix("m")))
                mine = (Fire.schedule_pk == schedule.pk) & (Fire.origin == "schedule")
                found = Counter(db_session.scalars(select(Fire.scheduled_for).where(mine)))
                first, latest = min([schedule.created_at, *(at - TICK for at in found)]), max([schedule.cursor, *found])
                assert set(found.values()) <= {1}
                assert set(multiples(every, schedule.created_at, schedule.cursor)) <= found.keys()
                assert found.keys() <= set(multiples(every, first, latest))

    @invariant()
    def every_state_has_a_reason_of_the_list(self) -> None:
        for fire in self._fires():
            assert fire.reason in REASONS[fire.state], (fire.state, fire.reason)

    @invariant()
    def no_fire_is_sent_twice_and_none_without_a_trace(self) -> None:
        posts = Counter(post.fire_pk for post in self.desk.posts)
        assert set(posts.values()) <= {1}
        for fire in self._fires():
            if fire.pk in posts and fire.resolved_at is None:
                assert fire.state in {"triggered", "ambiguous"}
            if fire.state == "triggered" and fire.resolved_at is None:
                assert fire.pk in posts

    @invariant()
    def triggered_fires_have_their_sessions(self) -> None:
        stored = self._stored_sessions()
        triggered = {fire.pk for fire in self._fires() if fire.state == "triggered" and fire.resolved_at is None}
        for post in self.desk.posts:
            if post.fire_pk in triggered:
                assert {stored.get(UUID(some_id(name))) for name in post.sessions} == {post.fire_pk}

    @invariant()
    def a_final_session_stays_final(self) -> None:
        with Session(self.engine) as db_session:
            finals = {
                one.check_session_id: one.final_at
                for one in db_session.scalars(select(CheckSession).where(CheckSession.final_at.is_not(None)))
            }
        assert finals.items() >= self.finals.items()
        self.finals = finals

    def _start(self) -> None:
        """A new process, in the order in which the daemon recovers."""
        desk = self.desk

        class DeskParts(wiring.Parts):
            def new_client(self) -> ChecklyClient:
                return cast("ChecklyClient", desk)

        built = wiring.build(
            self._settings(), self.engine, now=lambda: self.now, monotonic=lambda: next(self.ticks) * 0.01
        )
        parts = DeskParts(**vars(built))
        self.triggering: Triggering = parts.triggering()
        self.triggering.replay_spool()
        self.triggering.enrol(parts.plans(), parts.definitions())
        self.triggering.give_up_orphans(lock_proves=True)

    def _settings(self) -> Settings:
        tables = [
            CONFIGURATION.format(name=name, every=every, check_id=some_id(name), more=more)
            for name, (every, more) in SCHEDULES.items()
            if name in self.configured
        ]
        (self.folder / "recorder.toml").write_text("".join(tables))
        environ = {"CHECKLY_API_KEY": "key", "CHECKLY_ACCOUNT_ID": some_id("account")}
        return load_settings(self.folder / "recorder.toml", environ=environ, cwd=self.folder)

    def _record(self, recording: Recording, db_session: Session) -> None:
        record_sessions(db_session, [recording], now=self.now)
        self.now += timedelta(seconds=1)

    def _spool(self, engine: Engine, _configured: Path | None) -> Spool:
        del engine
        kept = self.folder / "kept"
        kept.mkdir(exist_ok=True)

        class Hoard(WatchedSpool):
            def forget(self, path: Path) -> None:
                if path.exists():
                    shutil.copy(path, kept / path.name)
                super().forget(path)

        return Hoard(self.folder / "spool", reached=self.desk.reached)

    def _fires(self) -> Sequence[Fire]:
        with Session(self.engine) as db_session:
            return db_session.scalars(select(Fire)).all()

    def _stored_sessions(self) -> dict[UUID, int | None]:
        with Session(self.engine) as db_session:
            return dict(db_session.execute(select(CheckSession.check_session_id, CheckSession.fire_pk)).all())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database to copy."""
    path = tmp_path_factory.mktemp("machine") / "template.db"
    engine = db.open_engine(f"sqlite:///{path}")
    db.upgrade(engine)
    engine.dispose()
    return path


def test_whatever_happens_each_due_time_is_sent_at_most_once(template: Path) -> None:
    LedgerMachine.template = template
    LedgerMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
    LedgerMachine.TestCase().runTest()
