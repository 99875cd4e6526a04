"""Databases that cannot be used, from every verb that opens one: one sentence, exit code 5, nothing sent or spoilt."""

import ctypes
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import create_engine, make_url

from recorder.simulator.checkly import Settings
from recorder.simulator.server import SimulatorServer
from tests.commands import SCHEDULES, account, command, one_line
from tests.documented import CHECK_SESSION_ID
from tests.factories import session

PR_CAPBSET_DROP: Final = 24
CAP_DAC_OVERRIDE: Final = 1

VERBS_THAT_OPEN: dict[str, list[str]] = {
    "status": ["status"],
    "query": ["query", "SELECT 1"],
    "sessions list": ["sessions", "list"],
    "sessions show": ["sessions", "show", CHECK_SESSION_ID],
    "report": ["report", "weekly"],
    "exclude list": ["exclude", "list"],
    "import": ["import", "session.json"],
    "record": ["record", CHECK_SESSION_ID],
    "trigger": ["trigger", "--tags", "a"],
    "run once": ["run", "--once"],
    "run": ["run"],
    "db upgrade": ["db", "upgrade"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration, a file to import and no history."""
    (tmp_path / "recorder.toml").write_text(SCHEDULES)
    (tmp_path / "session.json").write_text(json.dumps(session()))
    return tmp_path


def no_database(path: Path) -> str:
    path.write_bytes(b"this is a letter, and not a database at all\n" * 100)
    return "file is not a database"


def newer_schema(path: Path) -> str:
    assert command("db", "upgrade", "-d", f"sqlite:///{path}", folder=path.parent).code == 0
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    return "has schema 9999, newer than this recorder knows"


def a_folder(path: Path) -> str:
    path.mkdir()
    return "unable to open database file"


@pytest.fixture(scope="module")
def reachable() -> Iterator[SimulatorServer]:
    """An account that nothing must be triggered in."""
    with SimulatorServer(settings=Settings(scenarios=())) as server:
        yield server
        assert server.witness().triggers == ()


@pytest.mark.parametrize("spoil", [no_database, newer_schema, a_folder])
@pytest.mark.parametrize("arguments", VERBS_THAT_OPEN.values(), ids=VERBS_THAT_OPEN.keys())
def test_a_database_that_cannot_be_used_is_one_line_and_stays_as_it_is(
    arguments: list[str], spoil: Callable[[Path], str], folder: Path, reachable: SimulatorServer
) -> None:
    """Exit code 5 from every verb that opens it, before anything is triggered."""
    path = folder / "spoilt.db"
    sentence = spoil(path)
    before = path.read_bytes() if path.is_file() else b""

    done = command(*arguments, "-d", f"sqlite:///{path}", folder=folder, environ=account(reachable))

    assert done.code == 5
    assert sentence in one_line(done)
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize("arguments", VERBS_THAT_OPEN.values(), ids=VERBS_THAT_OPEN.keys())
def test_a_database_in_a_folder_that_is_not_there_is_one_line(
    arguments: list[str], folder: Path, reachable: SimulatorServer
) -> None:
    """And the folder is not made: it may be a disk that is not mounted."""
    address = f"sqlite:///{folder}/missing/history.db"

    done = command(*arguments, "-d", address, folder=folder, environ=account(reachable))

    assert done.code == 5
    assert "missing" in one_line(done)
    assert not (folder / "missing").exists()


@pytest.mark.parametrize("arguments", VERBS_THAT_OPEN.values(), ids=VERBS_THAT_OPEN.keys())
def test_a_server_that_does_not_answer_is_one_line_without_its_password(
    arguments: list[str], folder: Path, reachable: SimulatorServer
) -> None:
    """The address is named, so that it can be corrected."""
    address = "postgresql+psycopg://me:hunter2@127.0.0.1:1/history"

    done = command(*arguments, "-d", address, folder=folder, environ=account(reachable))

    assert done.code == 5
    assert "127.0.0.1:1/history" in one_line(done)
    assert "hunter2" not in done.err


def test_rights_that_are_missing_are_one_line(new_postgresql: str, folder: Path) -> None:
    """A role that may connect and nothing else."""
    name = make_url(new_postgresql).database
    engine = create_engine(new_postgresql, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE reader_of_{name} LOGIN")
        connection.exec_driver_sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    engine.dispose()
    address = make_url(new_postgresql).set(username=f"reader_of_{name}").render_as_string(hide_password=False)

    done = command("import", "session.json", "-d", address, folder=folder)

    assert done.code == 5
    assert "no schema has been selected to create in" in one_line(done)


READING: dict[str, list[str]] = {
    "status": ["status"],
    "query": ["query", "SELECT status FROM session_history"],
    "sessions list": ["sessions", "list"],
    "sessions show": ["sessions", "show", str(session()["checkSessionId"])],
    "report": ["report", "weekly", "--week", "2026-W47", "--out", "."],
    "exclude list": ["exclude", "list"],
}


@pytest.mark.parametrize("is_open", [False, True], ids=["at rest", "while somebody writes"])
def test_who_may_only_read_a_history_can_ask_it(tmp_path: Path, *, is_open: bool) -> None:
    """A colleague without rights in the daemon's folder; what would write says so in one line and changes nothing."""
    kept, own = tmp_path / "kept", tmp_path / "own"
    kept.mkdir()
    own.mkdir()
    address = f"sqlite:///{kept}/history.db"
    (kept / "session.json").write_text(json.dumps(session()))
    assert command("import", "session.json", "-d", address, folder=kept).code == 0
    writer = sqlite3.connect(kept / "history.db") if is_open else None
    if writer is not None:
        writer.execute("UPDATE check_sessions SET has_attempts = has_attempts")
        writer.commit()
        for part in kept.iterdir():
            part.chmod(0o644)
    kept.chmod(0o555)
    before = {path.name: path.read_bytes() for path in kept.iterdir()}

    done = {name: as_a_reader(*verb, "-d", address, folder=own) for name, verb in READING.items()}
    refused = as_a_reader("import", str(kept / "session.json"), "-d", address, folder=own)

    assert {name: one.returncode for name, one in done.items()} == dict.fromkeys(READING, 0), done
    assert "PASSED" in done["query"].stdout
    assert (own / "index.html").is_file()
    assert (refused.returncode, refused.stderr.count("\n")) == (5, 1)
    assert "readonly database" in refused.stderr
    assert {path.name: path.read_bytes() for path in kept.iterdir() if not path.name.endswith("-shm")} == {
        name: held for name, held in before.items() if not name.endswith("-shm")
    }
    if writer is not None:
        writer.close()


def as_a_reader(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """A real process that the rights of files bind, even when root runs the tests."""
    return subprocess.run(
        [sys.executable, "-m", "recorder.cli", *arguments],
        cwd=folder,
        env=os.environ | {"HOME": str(folder)},
        preexec_fn=_give_up_roots_rights,
        capture_output=True,
        text=True,
        check=False,
    )


def _give_up_roots_rights() -> None:
    """Without this capability root is an owner like any other, from the next exec on."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)
