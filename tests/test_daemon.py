"""The daemon as a real process: it triggers, follows, survives a SIGKILL, and lets nobody else in."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from recorder import db
from recorder.simulator.faults import Fault, FaultKind
from recorder.simulator.server import SimulatorServer
from tests.factories import rows
from tests.processes import environment, recorder, running, stop, wait_until

CONFIGURATION = """
[database]
url = "{url}"
{spool}

[[schedules]]
name = "often"
every = "1s"
match_tags = [["critical"]]
overlap = "allow"
"""


@pytest.fixture
def checkly() -> Iterator[SimulatorServer]:
    with SimulatorServer(speed=20.0) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, database: str) -> Path:
    spool = "" if database.startswith("sqlite") else f'spool = "{tmp_path / "spool"}"'
    (tmp_path / "recorder.toml").write_text(CONFIGURATION.format(url=database, spool=spool))
    return tmp_path


def count(engine: Engine, sql: str) -> int:
    try:
        return int(rows(engine, sql)[0][0])
    except OperationalError:  # the daemon is making the tables
        return 0


def test_a_daemon_triggers_and_follows_until_it_is_told_to_stop(
    checkly: SimulatorServer, folder: Path, engine: Engine
) -> None:
    with running("run", folder=folder, environ=environment(checkly)) as daemon:
        wait_until(lambda: count(engine, "SELECT COUNT(final_at) FROM check_sessions") >= 3, "three final sessions")
        code = stop(daemon)

    assert code == 0
    assert not rows(engine, "SELECT 1 FROM fires WHERE state NOT IN ('triggered', 'skipped', 'due')")
    witnessed = {one for trigger in checkly.witness().triggers for one in trigger.check_session_ids}
    assert {one for (one,) in rows(engine, "SELECT check_session_id FROM session_history")} == witnessed


def test_after_a_kill_the_next_daemon_goes_on_with_what_is_open(
    checkly: SimulatorServer, folder: Path, engine: Engine
) -> None:
    """Nothing is sent twice, nothing that was written is lost, every open session is followed to its end."""
    environ = environment(checkly)
    with running("run", folder=folder, environ=environ) as daemon:
        wait_until(lambda: count(engine, "SELECT COUNT(next_poll_at) FROM check_sessions") >= 3, "open sessions")
        stop(daemon, signal.SIGKILL)
    left_open = {one for (one,) in rows(engine, "SELECT check_session_id FROM session_history WHERE final_at IS NULL")}

    with running("run", folder=folder, environ=environ) as daemon:
        wait_until(
            lambda: (
                left_open
                <= {
                    one
                    for (one,) in rows(
                        engine, "SELECT check_session_id FROM session_history WHERE final_at IS NOT NULL"
                    )
                }
            ),
            "the sessions that the first daemon left open",
        )
        assert stop(daemon) == 0

    triggered = count(engine, "SELECT COUNT(*) FROM fires WHERE state = 'triggered'")
    ambiguous = count(engine, "SELECT COUNT(*) FROM fires WHERE state = 'ambiguous'")
    assert left_open
    assert triggered <= len(checkly.witness().triggers) <= triggered + ambiguous
    assert rows(engine, "SELECT COUNT(*) FROM fires GROUP BY schedule_pk, scheduled_for HAVING COUNT(*) > 1") == []


def test_a_second_daemon_on_one_sqlite_file_leaves_with_75(checkly: SimulatorServer, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'history.db'}"
    (tmp_path / "recorder.toml").write_text(CONFIGURATION.format(url=url, spool=""))
    environ = environment(checkly)
    with running("run", folder=tmp_path, environ=environ) as daemon:
        lock = tmp_path / "history.db.lock"
        wait_until(lambda: lock.exists() and lock.read_text().strip() == str(daemon.pid), "the lock")

        second = recorder("run", folder=tmp_path, environ=environ)

    assert second.returncode == 75
    assert str(daemon.pid) in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1


def test_a_lock_file_left_by_a_dead_process_keeps_nobody_out(checkly: SimulatorServer, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'history.db'}"
    (tmp_path / "recorder.toml").write_text(CONFIGURATION.format(url=url, spool=""))
    (tmp_path / "history.db.lock").write_text("99999999\n")
    engine = db.open_engine(url)
    db.upgrade(engine)
    with running("run", folder=tmp_path, environ=environment(checkly)) as daemon:
        wait_until(lambda: count(engine, "SELECT COUNT(*) FROM check_sessions") > 0, "a session")
        assert stop(daemon, signal.SIGINT) == 0
    engine.dispose()

    told = [line for line in (tmp_path / "stderr.txt").read_text().splitlines() if "99999999" in line]
    assert len(told) == 1
    assert "the last process did not stop by itself" in told[0]
    assert (tmp_path / "history.db.lock").read_text() == "", "this one did"


def test_what_died_a_moment_ago_on_sqlite_has_no_say_in_the_configuration(
    checkly: SimulatorServer, tmp_path: Path
) -> None:
    """The lock proves that it is dead: a corrected file is taken up at once, not after a minute of silence."""
    url, config, environ = f"sqlite:///{tmp_path / 'history.db'}", tmp_path / "recorder.toml", environment(checkly)
    config.write_text(CONFIGURATION.format(url=url, spool=""))
    engine = db.open_engine(url)
    db.upgrade(engine)
    with running("run", folder=tmp_path, environ=environ) as daemon:
        wait_until(lambda: count(engine, "SELECT COUNT(*) FROM fires") > 0, "a fire")
        stop(daemon, signal.SIGKILL)
    config.write_text(config.read_text().replace('"often"', '"renamed"'))

    with running("run", folder=tmp_path, environ=environ) as daemon:
        wait_until(
            lambda: count(engine, _FIRES_OF_RENAMED) >= 1 or daemon.poll() is not None, "a fire of the renamed schedule"
        )
        assert stop(daemon) == 0

    engine.dispose()


def test_the_key_shows_nowhere(checkly: SimulatorServer, folder: Path, engine: Engine) -> None:
    """Not in the process list, the logs, the database or the spool."""
    key = "sk-very-secret-0123456789"
    with running("run", "--log-level", "debug", folder=folder, environ=environment(checkly, key=key)) as daemon:
        wait_until(lambda: count(engine, "SELECT COUNT(final_at) FROM check_sessions") >= 1, "a final session")
        command_line = Path(f"/proc/{daemon.pid}/cmdline").read_bytes()
        stop(daemon)

    assert key.encode() not in command_line
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert folder / "stderr.txt" in written
    assert not [path for path in written if key.encode() in path.read_bytes()]
    tables = [name for (name,) in rows(engine, _TABLES[engine.dialect.name])]
    assert not [table for table in tables if key in repr(rows(engine, f"SELECT * FROM {table}"))]  # noqa: S608


_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
}


def test_a_new_configuration_is_taken_up_and_a_broken_one_is_not(
    checkly: SimulatorServer, folder: Path, engine: Engine
) -> None:
    config = folder / "recorder.toml"
    sound = config.read_text()
    with running("run", folder=folder, environ=environment(checkly)) as daemon:
        wait_until(lambda: count(engine, "SELECT COUNT(*) FROM fires") >= 1, "a fire")

        config.write_text(sound.replace("match_tags", "match_tag"))
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: "did you mean" in (folder / "stderr.txt").read_text(), "the refusal in the log")
        config.write_text(sound.replace('"often"', '"renamed"'))
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: count(engine, _FIRES_OF_RENAMED) >= 1, "a fire of the renamed schedule")
        assert stop(daemon) == 0

    assert rows(engine, "SELECT name FROM schedules WHERE removed_at IS NOT NULL") == [("often",)]


_FIRES_OF_RENAMED = "SELECT COUNT(*) FROM fire_history WHERE schedule_name = 'renamed' AND state = 'triggered'"


def test_a_second_signal_leaves_at_once(checkly: SimulatorServer, folder: Path, engine: Engine) -> None:
    """The first asks for an orderly end, which waits for the trigger that is under way."""
    checkly.inject(Fault(kind=FaultKind.DELAY, route="trigger", seconds=20, count=None))
    with running("run", folder=folder, environ=environment(checkly)) as daemon:
        wait_until(lambda: count(engine, "SELECT COUNT(*) FROM fires WHERE state = 'intent'") >= 1, "an intent")
        daemon.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in (folder / "stderr.txt").read_text(), "the orderly end to begin")

        assert stop(daemon) == 128 + signal.SIGTERM


def test_two_daemons_share_one_postgresql(checkly: SimulatorServer, tmp_path: Path, new_postgresql: str) -> None:
    """Each instant is sent by one of them; a third that was told otherwise is refused."""
    engine = db.open_engine(new_postgresql)
    db.upgrade(engine)
    config = tmp_path / "recorder.toml"
    config.write_text(CONFIGURATION.format(url=new_postgresql, spool=f'spool = "{tmp_path / "spool"}"'))
    environ = environment(checkly)
    with (
        running("run", folder=tmp_path, environ=environ) as one,
        running("run", folder=tmp_path, environ=environ) as other,
    ):
        wait_until(
            lambda: count(engine, "SELECT COUNT(DISTINCT owner) FROM fires WHERE state = 'triggered'") == 2, "both"
        )
        config.write_text(config.read_text().replace('"1s"', '"2s"'))
        third = recorder("run", folder=tmp_path, environ=environ)
        assert [stop(one), stop(other)] == [0, 0]

    triggered = count(engine, "SELECT COUNT(*) FROM fires WHERE state = 'triggered'")
    assert third.returncode == 3
    assert "defined otherwise" in third.stderr
    assert triggered == len(checkly.witness().triggers)
    engine.dispose()
