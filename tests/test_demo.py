"""The demo as a newcomer meets it: one command, under a minute, nothing left running, nobody's history touched."""

import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import command
from tests.processes import PATIENCE_S, wait_until

WHOLE_DEMO_S = 180.0
"""Patience on a busy machine; it takes half a minute."""


@contextmanager
def demo(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own; dead at the end whatever happens."""
    with subprocess.Popen(
        [sys.executable, "-m", "recorder.cli", "demo", *arguments],
        cwd=folder,
        env=os.environ | (environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(database: Path, sql: str) -> Any:
    """The one value that a query gives."""
    connection = sqlite3.connect(database)
    (value,) = connection.execute(sql).fetchone()
    connection.close()
    return value


@dataclass(frozen=True)
class Shown:
    """A demo that has run to its end: its folder, and what it printed."""

    made: Path
    out: str
    err: str


def test_the_demo_shows_the_whole_job_and_leaves_nothing_running(tmp_path: Path) -> None:
    """Run once, by somebody who has exported an account and a database, into a folder of a difficult name."""
    exported = {
        "CHECKLY_API_KEY": "cu_a_real_key",
        "CHECKLY_ACCOUNT_ID": "00000000-0000-4000-8000-000000000001",
        "CHECKLY_API_URL": "http://127.0.0.1:1",
        "RECORDER_DATABASE_URL": "sqlite:///mine.db",
    }
    with demo(tmp_path, "--dir", "my demo? 100%", "--seconds", "5", environ=exported) as process:
        out, err = process.communicate(timeout=WHOLE_DEMO_S)
    shown = Shown(tmp_path / "my demo? 100%", out, err)

    assert process.returncode == 0, err
    assert "Traceback" not in err
    has_recorded_past_and_present(shown)
    has_asked_questions_that_anybody_can_ask_again(shown)
    has_touched_nothing_else(shown)


def has_recorded_past_and_present(shown: Shown) -> None:
    """Weeks of past, live sessions from the real daemon, and the page that it names."""
    database = shown.made / "history.db"
    (page,) = (shown.made / "reports").glob("**/index.html")

    assert ask(database, "SELECT COUNT(*) FROM check_sessions WHERE origin = 'import'") > 10_000
    assert ask(database, "SELECT COUNT(*) FROM check_sessions WHERE origin = 'schedule' AND final_at NOT NULL") > 0
    assert ask(database, "SELECT COUNT(*) FROM fires WHERE state = 'triggered'") > 0
    assert f"Open the report: {page.as_uri()}\n" in shown.err


def has_asked_questions_that_anybody_can_ask_again(shown: Shown) -> None:
    """Three, each with the command to type and its answer; then what to do with a real account."""
    commands = [line for line in shown.err.splitlines() if line.startswith("  recorder query --config ")]
    _, *words = shlex.split(commands[0])

    again = command(*words, folder=shown.made.parent)
    elsewhere = command("query", "SELECT 1 FROM fires", "-c", str(shown.made / "recorder.toml"), folder=shown.made)

    assert len(commands) == 3
    assert len(shown.out.splitlines()) == 3 * (1 + 5), "three tables of a head and five rows"
    assert again.out == "".join(shown.out.splitlines(keepends=True)[:6])
    assert elsewhere.code == 0
    for what in ("recorder init", "CHECKLY_API_KEY", "recorder check-config && recorder run"):
        assert what in shown.err


def has_touched_nothing_else(shown: Shown) -> None:
    """Its Checkly is gone; the account and the database that were exported were not used."""
    address = re.search(r"runs at http://127\.0\.0\.1:(\d+)", shown.err)
    assert address
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(address[1])))

    assert list(shown.made.parent.iterdir()) == [shown.made]
    assert b"cu_a_real_key" not in b"".join(path.read_bytes() for path in shown.made.rglob("*") if path.is_file())


@pytest.mark.parametrize("sign", ["history.db", "history.db.lock"], ids=["in the past", "beside the daemon"])
def test_ctrl_c_ends_the_demo_and_all_of_its_threads(sign: str, tmp_path: Path) -> None:
    """At once, without a traceback, and what was recorded so far can be looked at; the daemon makes the lock file."""
    made = tmp_path / "recorder-demo"
    with demo(tmp_path) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        wait_until((made / sign).exists, sign)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)

    assert first.startswith("1. ")
    assert process.returncode == 130
    assert err.splitlines()[-1] == "stopped; recorder-demo holds what was recorded so far"
    assert "Traceback" not in err
    assert ask(made / "history.db", "PRAGMA quick_check") == "ok"


def test_the_demo_can_be_run_again_beside_an_earlier_one(tmp_path: Path) -> None:
    """Without a folder named it takes the next free one."""
    (tmp_path / "recorder-demo").mkdir()
    (tmp_path / "recorder-demo" / "history.db").write_text("precious")
    (tmp_path / "recorder-demo-2").write_text("a file")

    with demo(tmp_path) as process:
        wait_until((tmp_path / "recorder-demo-3" / "recorder.toml").exists, "the third folder")
        process.kill()
        process.communicate()

    assert (tmp_path / "recorder-demo" / "history.db").read_text() == "precious"
    assert (tmp_path / "recorder-demo-2").read_text() == "a file"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("used", "recorder: used is not empty: name a new folder with --dir, nothing is overwritten"),
        ("file", "recorder: file cannot be used: File exists; name another folder with --dir"),
        (
            "/proc/demo",
            "recorder: /proc/demo cannot be used: No such file or directory; name another folder with --dir",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_a_sentence(name: str, sentence: str, tmp_path: Path) -> None:
    """Before anything starts."""
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "history.db").write_text("precious")
    (tmp_path / "file").write_text("a file")

    done = command("demo", "--dir", name, folder=tmp_path)

    assert (done.code, done.out, done.err) == (2, "", f"{sentence}\n")
    assert (tmp_path / "used" / "history.db").read_text() == "precious"
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["history.db"]
