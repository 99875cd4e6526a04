"""The verbs that talk to Checkly, against a simulated one: what they print, what they leave with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.cli_sessions import sentences_on_missing_ends
from recorder.simulator.scenarios import Kind, Scenario
from recorder.simulator.server import SimulatorServer
from tests import processes
from tests.commands import SCHEDULES, account, command, quick_checkly
from tests.factories import some_id


@pytest.fixture
def checkly() -> Iterator[SimulatorServer]:
    """A new account for each test: the same seed, so the same ends."""
    with quick_checkly() as server:
        yield server


@pytest.fixture
def failing() -> Iterator[SimulatorServer]:
    """An account where a critical check fails at every location."""
    with quick_checkly() as server:
        server.add_scenario(Scenario("down", Kind.OUTAGE, "Payments API"))
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration and no history yet."""
    (tmp_path / "recorder.toml").write_text(SCHEDULES)
    return tmp_path


def test_trigger_follows_its_sessions_to_the_end_and_prints_them(folder: Path, checkly: SimulatorServer) -> None:
    """By tags, with JSON on stdout and a line for a person on stderr."""
    done = command("trigger", "--tags", "critical", "--json", "--fail", folder=folder, environ=account(checkly))

    assert done.code == 0, done.err
    assert (done.json["fire_id"], done.json["state"], done.json["reason"]) == (1, "triggered", None)
    assert len(done.json["sessions"]) > 1
    for one in done.json["sessions"]:
        assert (one["status"], one["excluded"]) == ("PASSED", False)
        assert one["final_at"].endswith("Z")
        assert {result["run_location"] for result in one["results"]} == set(one["run_locations"])
    assert done.err == f"trigger: triggered, {len(done.json['sessions'])} sessions\n"


def test_a_schedule_is_triggered_by_its_name(folder: Path, checkly: SimulatorServer) -> None:
    """Its sessions count as its own."""
    done = command("trigger", "critical", folder=folder, environ=account(checkly))
    sessions = command("query", "SELECT DISTINCT schedule_name, origin FROM session_history", folder=folder)

    assert done.code == 0, done.err
    assert done.table[0] == ["check_name", "status", "time_elapsed_ms", "run_locations", "check_session_id"]
    assert sessions.table[1:] == [["critical", "manual"]]


ELSEWHERE = SCHEDULES + 'expect_locations = ["ap-south-1"]\n'
WARNING = "warning: critical: not every session runs in ap-south-1, which expect_locations names"


@pytest.mark.parametrize("verb", [["trigger", "critical"], ["run", "--once"]], ids=["trigger", "run once"])
def test_sessions_that_do_not_run_where_they_are_expected_are_a_warning(
    verb: list[str], folder: Path, checkly: SimulatorServer
) -> None:
    """A trigger cannot choose the locations, so somebody has to be told; it is no failure."""
    (folder / "recorder.toml").write_text(ELSEWHERE)

    done = command(*verb, folder=folder, environ=account(checkly))

    assert done.code == 0
    assert WARNING in done.err.splitlines()


def test_a_schedule_triggered_by_hand_is_followed_as_long_as_it_says(folder: Path) -> None:
    """Sessions that outlast it are given up here, and the command says how to have their end all the same."""
    (folder / "recorder.toml").write_text(SCHEDULES + 'session_timeout = "1s"\n')
    with SimulatorServer(speed=1) as slow:
        done = command("trigger", "critical", folder=folder, environ=account(slow))
        longer = command("trigger", "--tags", "critical", "--detach", folder=folder, environ=account(slow))
    deadlines = command(
        *("query", "--json"),
        "SELECT DISTINCT f.schedule_name, ROUND((julianday(s.deadline_at) - julianday(f.outcome_at)) * 86400) AS s "
        "FROM check_sessions s JOIN fire_history f ON f.fire_id = s.fire_pk ORDER BY 1",
        folder=folder,
    )

    assert (done.code, longer.code) == (0, 0)
    assert (
        "sessions outlast their time; a daemon asks hourly for one more day, and at once: recorder record" in done.err
    )
    assert deadlines.json == [{"schedule_name": None, "s": 3600}, {"schedule_name": "critical", "s": 1}]


def test_each_way_of_having_no_end_is_told_apart() -> None:
    """Nobody is told that a daemon follows what no daemon asks for any more."""
    ways = [None, None, "timeout", "gone", "ended"]
    found = [
        {"check_session_id": some_id(str(n)), "final_at": way == "ended" or None, "abandoned_reason": way}
        for n, way in enumerate(ways)
    ]

    still, outlasting, gone = sentences_on_missing_ends(found)

    assert still.startswith("2 of 5 sessions have no end yet; a daemon follows them")
    assert still.endswith(f"recorder record {some_id('0')} ...")
    assert outlasting.startswith("1 of 5 sessions outlast their time; a daemon asks hourly for one more day")
    assert outlasting.endswith(f"recorder record {some_id('2')}")
    assert gone.startswith("1 of 5 sessions are gone: Checkly does not know them any more, and nobody asks again")


def test_a_detached_trigger_leaves_its_sessions_to_a_daemon(folder: Path, checkly: SimulatorServer) -> None:
    """They are open, and nobody is told that something failed."""
    done = command("trigger", "--tags", "critical", "--detach", "--fail", folder=folder, environ=account(checkly))
    status = command("status", "--json", folder=folder)

    assert done.code == 0
    assert status.json["sessions"]["followed"] == status.json["sessions"]["recorded"] > 1


def test_nothing_that_matches_is_a_failure_only_where_asked(folder: Path, checkly: SimulatorServer) -> None:
    """A misspelt tag must not look like a passed check in somebody's pipeline."""
    plain = command("trigger", "--tags", "misspelt", "--json", folder=folder, environ=account(checkly))
    strict = command("trigger", "--tags", "misspelt", "--fail", folder=folder, environ=account(checkly))

    assert (plain.code, plain.json["state"], plain.json["sessions"]) == (0, "no_match", [])
    assert (strict.code, strict.err) == (1, "trigger: no_match, no check matches\n")


def test_a_session_that_fails_is_a_failure_where_asked(folder: Path, failing: SimulatorServer) -> None:
    """All the same it is recorded, and without --fail the command did what it was told."""
    strict = command("trigger", "--tags", "critical", "--fail", "--json", folder=folder, environ=account(failing))
    plain = command("run", "--once", folder=folder, environ=account(failing))

    assert (strict.code, plain.code) == (1, 0)
    assert "FAILED" in {one["status"] for one in strict.json["sessions"]}


def test_run_once_triggers_each_schedule_and_leaves(folder: Path, checkly: SimulatorServer) -> None:
    """Nothing stays open, and the sessions are printed."""
    done = command("run", "--once", "--fail", folder=folder, environ=account(checkly))
    status = command("status", "--json", folder=folder).json

    assert done.code == 0, done.err
    assert status["fires"] == [{"state": "triggered", "reason": None, "fires": 1}]
    assert status["sessions"]["final"] == status["sessions"]["recorded"] == len(done.table) - 1
    assert status["schedules"][0]["paused"] is False


def test_record_fetches_sessions_that_were_started_elsewhere(folder: Path, checkly: SimulatorServer) -> None:
    """One that is unknown does not keep the others from being recorded."""
    elsewhere = command("trigger", "--tags", "critical", "--json", folder=folder, environ=account(checkly)).json
    known = elsewhere["sessions"][0]["check_session_id"]
    other = ("-d", "sqlite:///other.db")

    done = command("record", known, some_id("x"), "--json", *other, folder=folder, environ=account(checkly))

    assert done.code == 4
    assert done.json["failed"] == [some_id("x")]
    assert [one["check_session_id"] for one in done.json["sessions"]] == [known]
    assert done.err.startswith(f"{some_id('x')}: ")
    assert command("query", "SELECT status FROM session_history", *other, folder=folder).table[1:] == [["PASSED"]]


def test_a_signal_ends_the_wait_and_says_what_is_open(folder: Path) -> None:
    """In life's own time a session takes long; what was triggered stays recorded."""
    with SimulatorServer(speed=1) as slow:
        environ = processes.environment(slow)
        with processes.running("trigger", "--tags", "critical", folder=folder, environ=environ) as process:
            processes.wait_until(lambda: "completion" in slow.witness().requests, "a session to be followed")
            code = processes.stop(process)

    assert code == 130
    assert "have no end yet" in (folder / "stderr.txt").read_text()
    assert command("status", "--json", folder=folder).json["sessions"]["followed"] > 0
