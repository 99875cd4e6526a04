"""A recorder that Checkly refuses: what was due is written down, what is open ends, and hardly anything is asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from recorder.budget import RequestBudget
from recorder.checkly import ChecklyClient
from recorder.circuit import PROBE_EVERY_S, Circuit
from recorder.clock import monotonic
from recorder.db import transact
from recorder.errors import DatabaseError, Refused, TryLater
from recorder.foreground import follow, run_once
from recorder.ledger import ClaimedFire, open_intent, settle_fire
from recorder.payloads import StillRunning
from recorder.simulator.faults import Fault, FaultKind
from recorder.tracking import Fetched, Tracker
from recorder.trigger_outcomes import Sent
from tests.commands import command
from tests.factories import NOW, open_session, rows
from tests.processes import wait_until
from tests.recording import Harness, harness, schedule
from tests.sockets import ScriptedServer, http_answer, saying

NO_KEY = Refused("GET ...: 401 (check CHECKLY_API_KEY)", reason="401", http_status=401)


def test_fires_of_a_refused_recorder_are_skipped_and_written_down(sqlite_engine: Engine, tmp_path: Path) -> None:
    """The first is rejected, those of the next quarter of an hour are not sent, then one goes through and all do."""
    with harness(sqlite_engine, tmp_path, schedule(every="5m", more='overlap = "allow"')) as recorder:
        recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="trigger", status=401, count=1))
        for number in range(6):
            recorder.clock.advance(minutes=5)
            recorder.clock.ahead_s = 300.0 * number
            recorder.triggering.work()

    assert recorder.fires() == [
        "rejected: 401",
        "skipped: circuit_open",
        "skipped: circuit_open",
        "triggered",
        "triggered",
        "triggered",
    ]
    assert recorder.triggers_received() == 4


def test_sessions_of_a_refused_recorder_are_asked_for_once_and_given_up_at_their_deadline(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    with harness(sqlite_engine, tmp_path) as recorder:
        recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="completion", status=403, count=None))
        for number in range(20):
            open_session(sqlite_engine, f"one {number}", timeout=timedelta(minutes=10))
        with recorder.walking_clock(pace=200):
            followed = follow(recorder.parts, scope=None)

        asked = recorder.checkly.witness().requests.get("completion", 0)
    assert followed.still_open == 0
    assert asked <= 20
    assert rows(sqlite_engine, "SELECT DISTINCT abandoned_reason FROM check_sessions") == [("timeout",)]
    assert recorder.parts.refusal is not None


def test_a_single_run_asks_once_and_writes_the_other_schedules_down_as_skipped(engine: Engine, tmp_path: Path) -> None:
    sent: list[Sent] = []
    with harness(engine, tmp_path, "".join(schedule(f"s{number}") for number in range(5))) as recorder:
        recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="trigger", status=401, count=None))
        run_once(recorder.parts, on_sent=lambda _name, one: sent.append(one), on_seen=lambda _: None)

        assert recorder.fires() == ["rejected: 401", *["skipped: circuit_open"] * 4]
        assert recorder.triggers_received() == 1
    assert [one.error is None for one in sent] == [False, True, True, True, True]
    assert rows(engine, "SELECT DISTINCT origin, attempt, intent_at IS NULL FROM fires WHERE state = 'skipped'") == [
        ("schedule", 0, True)
    ]


def test_a_command_that_records_sessions_stops_asking_when_it_is_refused(tmp_path: Path) -> None:
    """One line for the refusal, one for what was not asked for."""
    known = saying(http_answer(404, {"statusCode": 404}))
    refused = saying(*[http_answer(401, {"statusCode": 401, "message": "Bad Token"})] * 3)
    ids = [str(uuid4()) for _ in range(3)]
    with ScriptedServer(known, refused) as server:
        environ = {"CHECKLY_API_KEY": "demo-key", "CHECKLY_ACCOUNT_ID": str(uuid4()), "CHECKLY_API_URL": server.url}
        done = command("record", *ids, "--json", folder=tmp_path, environ=environ)

    first, second = done.err.splitlines()
    assert done.code == Refused.exit_code
    assert first.startswith(f"{ids[0]}: GET /v2/check-sessions/{ids[0]}: 401, Bad Token")
    assert second == "2 sessions not asked for: Checkly would refuse each"
    assert done.json["failed"] == ids
    assert len(server.requests) == 2


def test_the_probe_of_a_session_that_is_to_be_cancelled_is_one_request(sqlite_engine: Engine, tmp_path: Path) -> None:
    with harness(sqlite_engine, tmp_path) as recorder:
        recorder.checkly.inject(Fault(kind=FaultKind.STATUS, status=403, count=None))
        circuit = recorder.parts.read_circuit
        circuit.heed(circuit.admit() or 0, NO_KEY)
        open_session(sqlite_engine, timeout=timedelta(0))
        with sqlite_engine.begin() as connection:
            connection.execute(text("UPDATE check_sessions SET cancel_on_timeout = true"))
        recorder.clock.pass_by(PROBE_EVERY_S)

        follow(recorder.parts, scope=None)

        requests = recorder.checkly.witness().requests
    assert (requests["completion"], requests.get("cancel", 0)) == (1, 0)


@pytest.mark.parametrize("hindrance", ["no room", "no turn", "nothing to claim"])
def test_a_fire_that_could_not_be_sent_leaves_the_probe_to_the_next(
    sqlite_engine: Engine, tmp_path: Path, hindrance: str
) -> None:
    with harness(sqlite_engine, tmp_path, schedule(every="5m", more='overlap = "skip"')) as recorder:
        recorder.checkly.inject(Fault(kind=FaultKind.STATUS, route="trigger", status=401, count=1))
        recorder.clock.pass_by(300)
        recorder.triggering.work()
        recorder.clock.pass_by(900)

        with hindered(recorder, hindrance):
            recorder.triggering.work()
        recorder.clock.pass_by(300)
        recorder.triggering.work()

        assert recorder.fires()[0] == "rejected: 401"
        assert recorder.fires()[-1] == "triggered"
        assert recorder.triggers_received() == 2


@contextmanager
def hindered(recorder: Harness, how: str) -> Iterator[None]:
    """Let this keep the next fire from being sent."""
    folder = recorder.spool.folder
    if how == "no room":
        folder.rename(folder.with_suffix(".away"))
        folder.write_text("no folder")
        with pytest.raises(DatabaseError):
            yield
        folder.unlink()
    elif how == "no turn":
        limited = TryLater("", reason="rate_limited", http_status=429, retry_after_s=60.0)
        recorder.parts.budget.heed(limited)
        recorder.clock.slept_s = 1.0
        yield
        recorder.clock.slept_s = 0.0
    else:
        overlapping = intent_of(recorder, "prod")
        yield
        settle = partial(settle_fire, fire=overlapping, state="no_match", now=recorder.clock.now())
        transact(recorder.engine, settle)


def intent_of(recorder: Harness, name: str) -> ClaimedFire:
    """A fire of this schedule that is being sent by somebody else."""
    [(pk,)] = rows(recorder.engine, "SELECT pk FROM schedules WHERE name = :name", name=name)
    how = {"origin": "schedule", "body": b"{}", "now": recorder.clock.now() - timedelta(minutes=1), "schedule_pk": pk}
    return transact(recorder.engine, partial(open_intent, owner=uuid4(), **how))


def test_long_polls_that_end_well_after_the_key_was_revoked_do_not_ask_everything_again(sqlite_engine: Engine) -> None:
    """Three answers are held while a fourth request is refused; then the three end in "still running"."""
    checkly = Revoking(held=3)
    circuit = Circuit("sessions", now=lambda: NOW, monotonic=monotonic)
    budget = RequestBudget(540, monotonic=monotonic)
    seen: list[Fetched] = []
    tracker = Tracker(
        sqlite_engine,
        new_client=lambda: cast(ChecklyClient, checkly),
        budget=budget,
        circuit=circuit,
        now=lambda: NOW,
        monotonic=monotonic,
        fetchers=10,
        on_seen=seen.append,
    )
    for number in range(3):
        open_session(sqlite_engine, f"held {number}")
    tracker.start()
    try:
        wait_until(lambda: checkly.asked == 3, "three long polls")
        open_session(sqlite_engine, "refused")
        wait_until(lambda: circuit.refusal is not None, "a refusal")
        checkly.revoked.set()
        wait_until(lambda: len(seen) == 4, "all answers written")
        for number in range(3):
            open_session(sqlite_engine, f"later {number}")
    finally:
        tracker.stop()

    assert circuit.refusal is not None
    assert circuit.admit() is None
    assert checkly.asked == 4


class Revoking:
    """Holds the first answers until `revoked` is set; refuses everything after them."""

    def __init__(self, *, held: int) -> None:
        self.revoked = threading.Event()
        self.asked = 0
        self._held = held
        self._lock = threading.Lock()

    def fetch_completion(self, _check_session_id: UUID, *, max_wait_s: int) -> StillRunning:
        with self._lock:
            self.asked += 1
            is_held = self.asked <= self._held
        if not is_held:
            raise NO_KEY
        assert self.revoked.wait(max_wait_s)
        return StillRunning()

    def close(self) -> None:
        """Nothing to close."""
