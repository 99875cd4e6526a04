"""Bad input at the command line: one clear sentence on stderr, the right exit code, no traceback, nothing lost."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from recorder.simulator.checkly import Settings
from recorder.simulator.faults import Fault, FaultKind
from recorder.simulator.server import SimulatorServer
from tests.commands import SCHEDULES, Done, account, command, one_line
from tests.documented import CHECK_SESSION_ID
from tests.factories import session, some_id
from tests.processes import recorder

REFUSED_KEY = "cu_refused_0123456789"

ACCOUNT = {
    "CHECKLY_API_KEY": "cu_secret_0123456789",
    "CHECKLY_ACCOUNT_ID": "1397c172-1938-4973-a225-5862298e571a",
    "CHECKLY_API_URL": "http://127.0.0.1:1",
}
"""An account at an address where nobody listens."""
READ_ONLY: Final = "read-only"
"""A key that may ask for sessions and start none."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration, a file to import and no history."""
    (tmp_path / "recorder.toml").write_text(SCHEDULES)
    (tmp_path / "session.json").write_text(json.dumps(session()))
    return tmp_path


@pytest.fixture
def strict() -> Iterator[SimulatorServer]:
    """An account that knows a revoked key."""
    with SimulatorServer(settings=Settings(scenarios=(), refused_keys=frozenset({REFUSED_KEY}))) as server:
        yield server


USAGE: dict[str, tuple[list[str], str]] = {
    "an unknown verb": (["record-all"], "No such command 'record-all'"),
    "an unknown option": (["status", "--nope"], "No such option: --nope"),
    "an option without its value": (["trigger", "--timeout"], "Option '--timeout' requires an argument"),
    "a missing argument": (["import"], "Missing argument 'FILE'"),
    "an argument too many": (["run", "twice"], "Got unexpected extra argument(s) (twice)"),
    "a group without its verb": (["sessions"], "Commands:"),
    "a number out of range": (["plan", "--next", "0"], "Invalid value for '--next'"),
    "a word for a number": (["sessions", "list", "--limit", "ten"], "Invalid value for '--limit'"),
    "a report without its end": (["report", "range", "--from", "2026-11-16"], "Missing option '--to'"),
}


@pytest.mark.parametrize(("arguments", "sentence"), USAGE.values(), ids=USAGE.keys())
def test_a_command_line_that_makes_no_sense_is_answered_on_stderr(
    arguments: list[str], sentence: str, folder: Path
) -> None:
    """With what is wrong and how to get help; no frames around it."""
    done = command(*arguments, folder=folder)

    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert not set(done.err) & set("╭│╰")


ONE_LINE: dict[str, tuple[list[str], int, str]] = {
    "nothing to trigger": (["trigger"], 2, "nothing to trigger: name a schedule, --tags or --check-id"),
    "an empty tag": (["trigger", "--tags", ""], 2, "tag '' is empty: nothing would be left to choose by"),
    "an empty tag among others": (["trigger", "--tags", "a,,b"], 2, "tag '' is empty"),
    "a tag that is only negated": (["trigger", "--tags", "!"], 2, "tag '!' is empty"),
    "a schedule and tags": (["trigger", "critical", "--tags", "a"], 2, "name either a schedule or --tags"),
    "everything and tags": (["trigger", "--tags", "a", "--run-everything"], 2, ""),
    "an unknown schedule": (
        ["trigger", "criticl"],
        2,
        'there is no schedule "criticl": the configuration has critical',
    ),
    "a check id that is none": (["trigger", "--check-id", "x"], 2, '"x" is not a check id: copy the UUID from Checkly'),
    "a session id that is none": (["record", "x"], 2, '"x" is not a check session id'),
    "a session id to show that is none": (["sessions", "show", "x"], 2, '"x" is not a check session id'),
    "a duration without a unit": (["trigger", "--tags", "a", "--timeout", "5"], 2, '--timeout: "5" is no duration'),
    "a time that is none": (["sessions", "list", "--since", "yesterday"], 2, '"yesterday" is not an ISO time'),
    "a time before all times": (["sessions", "list", "--since", "0001-01-01T00:00+05:00"], 2, "is not an ISO time"),
    "an empty query": (["query", " "], 2, "the query is empty: try recorder query "),
    "an unknown log level": (["run", "--log-level", "loud"], 2, "--log-level loud is unknown: choose from debug, info"),
    "a file that is not there": (["import", "nowhere.json"], 2, "nowhere.json cannot be read: No such file"),
    "a folder for a file": (["import", "."], 2, ". cannot be read: Is a directory"),
    "a folder that cannot be written": (
        ["init", "nowhere/recorder.toml"],
        2,
        "nowhere/recorder.toml cannot be written",
    ),
    "an open address for the simulator": (["simulate", "--host", "192.0.2.1"], 2, "loopback addresses only"),
    "a simulator that stands still": (["simulate", "--speed", "0", "--port", "0"], 2, "speed must be above 0"),
    "an account that is none": (["simulate", "--account", "x", "--port", "0"], 2, '"x" is not an account id'),
    "an empty database": (["status", "-d", ""], 2, "--database is empty: name one, or leave it out"),
    "a database of an unknown kind": (["status", "-d", "mysql://x/y"], 3, "--database: must begin with sqlite:///"),
    "a configuration that is not there": (["plan", "-c", "no.toml"], 3, "--config: there is no file no.toml"),
    "a configuration that is a folder": (["plan", "-c", "."], 3, "cannot be read: Is a directory"),
    "no history yet": (["status"], 5, "there is no database history.db: record something first"),
    "no history to list": (["sessions", "list"], 5, "there is no database history.db"),
    "no history to report on": (["report", "weekly"], 5, "there is no database history.db"),
}


@pytest.mark.parametrize(("arguments", "code", "sentence"), ONE_LINE.values(), ids=ONE_LINE.keys())
def test_what_cannot_be_done_is_said_in_one_line(arguments: list[str], code: int, sentence: str, folder: Path) -> None:
    """What, where, what to do; and no history appears for having asked."""
    done = command(*arguments, folder=folder, environ=ACCOUNT)

    assert done.code == code
    assert one_line(done).startswith("recorder: ")
    assert sentence in done.err
    assert not (folder / "history.db").exists()


def test_a_configuration_with_mistakes_says_each_with_its_place(folder: Path) -> None:
    """All at once, from every verb that reads it."""
    (folder / "recorder.toml").write_text('[databse]\nurl = "x"\n[[schedules]]\nname = "a"\n')

    for arguments in (["check-config"], ["run", "--once"], ["status"], ["trigger", "a"]):
        done = command(*arguments, folder=folder, environ=ACCOUNT)

        assert (done.code, done.out) == (3, "")
        assert [line.split(" ")[1] for line in done.err.splitlines()] == ["recorder.toml:1"] + 2 * ["recorder.toml:3"]


def test_without_key_or_account_each_is_named(folder: Path) -> None:
    """Before anything is opened or sent."""
    done = command("run", "--once", folder=folder)

    assert done.code == 3
    assert [line.split(": ")[1] for line in done.err.splitlines()] == ["CHECKLY_API_KEY", "CHECKLY_ACCOUNT_ID"]
    assert not (folder / "history.db").exists()


ASKING: dict[str, list[str]] = {
    "trigger": ["trigger", "--tags", "critical"],
    "run once": ["run", "--once"],
    "record": ["record", CHECK_SESSION_ID],
}


@pytest.mark.parametrize("arguments", [*ASKING.values(), ["run"]], ids=[*ASKING, "run"])
def test_a_key_that_checkly_refuses_is_one_line_and_stores_nothing(
    arguments: list[str], folder: Path, strict: SimulatorServer
) -> None:
    """Exit code 4 before anything is triggered or a database is made; the key shows nowhere."""
    done = command(*arguments, folder=folder, environ=account(strict, key=REFUSED_KEY))

    assert done.code == 4
    assert "401" in one_line(done)
    assert REFUSED_KEY not in done.err
    assert "trigger" not in strict.witness().requests
    assert not (folder / "history.db").exists()


@pytest.mark.parametrize("arguments", [ASKING["trigger"], ASKING["run once"]], ids=["trigger", "run once"])
def test_a_trigger_that_checkly_refuses_is_one_line_and_a_row_of_the_ledger(
    arguments: list[str], folder: Path, strict: SimulatorServer
) -> None:
    """The key may ask, and may not trigger: no session, and the reason is kept."""
    done = command(*arguments, folder=folder, environ=account(strict, key=READ_ONLY))
    status = command("status", "--json", folder=folder).json

    assert done.code == 4
    assert "403" in one_line(done)
    assert (status["sessions"]["recorded"], status["sessions"]["results"]) == (0, 0)
    assert status["fires"] == [{"state": "rejected", "reason": "403", "fires": 1}]


@pytest.mark.parametrize("arguments", ASKING.values(), ids=ASKING.keys())
def test_a_checkly_that_cannot_be_reached_is_one_line(arguments: list[str], folder: Path) -> None:
    """Nothing was sent, and it says so."""
    done = command(*arguments, folder=folder, environ=ACCOUNT)

    assert done.code == 4
    assert "cannot reach 127.0.0.1:1" in one_line(done)
    assert "nothing was sent" in done.err


def test_a_refused_trigger_is_json_where_json_was_asked_for(folder: Path, strict: SimulatorServer) -> None:
    """A script reads the state and the reason; a person the sentence."""
    done = command("trigger", "--tags", "critical", "--json", folder=folder, environ=account(strict, key=READ_ONLY))

    assert done.code == 4
    assert done.json == {"fire_id": 1, "state": "rejected", "reason": "403", "sessions": []}
    assert done.err.count("\n") == 1


def test_an_answer_that_breaks_off_is_kept_and_never_sent_again(folder: Path, strict: SimulatorServer) -> None:
    """It may have started sessions."""
    strict.inject(Fault(kind=FaultKind.TRUNCATE, route="trigger"))

    done = command("trigger", "--tags", "critical", folder=folder, environ=account(strict))
    status = command("status", "--json", folder=folder).json

    assert done.code == 4
    assert one_line(done).startswith("recorder: ")
    assert [fire["state"] for fire in status["fires"]] == ["ambiguous"]
    assert strict.witness().requests["trigger"] == 1


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "tab\t"])
def test_a_key_that_can_be_none_is_refused_without_showing_it(key: str, folder: Path) -> None:
    """Before anything is sent or stored, with the exit code of a key that Checkly refuses."""
    done = command("trigger", "--tags", "a", folder=folder, environ=ACCOUNT | {"CHECKLY_API_KEY": key})

    assert done.code == 4
    assert one_line(done).startswith("recorder: CHECKLY_API_KEY: ")
    assert key not in done.err
    assert not (folder / "history.db").exists()


def test_a_bad_key_beside_another_mistake_is_a_configuration_to_correct(folder: Path) -> None:
    """Both are named at once."""
    environ = ACCOUNT | {"CHECKLY_API_KEY": "two words", "CHECKLY_ACCOUNT_ID": "x"}

    done = command("trigger", "--tags", "a", folder=folder, environ=environ)

    assert done.code == 3
    assert [line.split(": ")[1] for line in done.err.splitlines()] == ["CHECKLY_API_KEY", "CHECKLY_ACCOUNT_ID"]


def test_hostile_words_of_a_command_line_are_shown_and_not_obeyed(folder: Path) -> None:
    """A file's name may hold what a terminal obeys."""
    done = command("import", "a\x1b[2Jb\n.json", folder=folder)

    assert one_line(done).startswith("recorder: a\\x1b[2Jb\\n.json cannot be read")


def test_a_simulator_on_a_port_in_use_says_so(folder: Path, strict: SimulatorServer) -> None:
    port = strict.base_url.rsplit(":", 1)[1]

    done = command("simulate", "--port", port, folder=folder)

    assert done.code == 2
    assert one_line(done) == f"recorder: cannot listen on 127.0.0.1:{port}: Address already in use"


def test_a_real_process_leaves_with_the_code_and_the_line(folder: Path) -> None:
    """What the other tests see inside of their process."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("CHECKLY_", "RECORDER_"))}

    done = recorder("sessions", "show", some_id("x"), folder=folder, environ=own)

    assert (done.returncode, done.stdout) == (5, "")
    assert (
        done.stderr == "recorder: there is no database history.db: record something first, or name another --database\n"
    )


def test_a_query_that_is_no_query_is_one_line_of_a_real_process(new_postgresql: str, folder: Path) -> None:
    """The driver has much to say when a COPY comes where rows were asked for."""
    environ = os.environ | {"RECORDER_DATABASE_URL": new_postgresql}
    command("db", "upgrade", "-d", new_postgresql, folder=folder)

    done = recorder("query", "COPY checks TO STDOUT", folder=folder, environ=environ)

    assert done.returncode == 5
    said = one_line(Done(done.returncode, done.stdout, done.stderr))
    assert re.search(r"(use copy\(\) instead|COPY cannot be used in pipeline mode)$", said)  # what it notices first


@pytest.mark.parametrize(
    ("form", "shown"), [([], b"ok\n\\U0001f600\n"), (["--json"], b'[\n  {\n    "ok": "\\ud83d\\ude00"\n  }\n]\n')]
)
def test_an_encoding_that_lacks_a_letter_ends_no_command(form: list[str], shown: bytes, folder: Path) -> None:
    """The letter is shown as an escape, in JSON as one that JSON knows."""
    command("db", "upgrade", folder=folder)
    query = [sys.executable, "-m", "recorder.cli", "query", "SELECT '\N{GRINNING FACE}' AS ok", *form]

    done = subprocess.run(
        query, cwd=folder, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=True
    )

    assert done.stdout == shown
