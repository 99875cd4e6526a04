"""The command line as a user meets it: help, exit codes, what is printed where."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine

from recorder import __version__, cli, db
from recorder.clock import utc_now
from recorder.open_sessions import abandon_overdue
from recorder.simulator.server import SimulatorServer
from tests.commands import SCHEDULES, Done, command, quick_checkly
from tests.documented import CHECK_SESSION_ID, RETRIEVE_ANSWER
from tests.factories import open_session, record, rows, running, session, some_id

HEAVY = ("pandas", "sqlalchemy", "httpx", "pydantic_settings", "apscheduler", "uvicorn", "rich", "structlog")


@pytest.fixture
def checkly() -> Iterator[SimulatorServer]:
    """A new account for each test: the same seed, so the same ends."""
    with quick_checkly() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration and no history yet."""
    (tmp_path / "recorder.toml").write_text(SCHEDULES)
    return tmp_path


@pytest.fixture
def history(database: str) -> Iterator[Engine]:
    """A database of each kind with one finished session in it."""
    engine = db.open_engine(database)
    record(engine, session())
    yield engine
    engine.dispose()


def url(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def verbs() -> dict[str, Any]:
    """Every command by the words that name it."""
    root: Any = typer.main.get_command(cli.app)
    found: dict[str, Any] = {}
    for name, one in root.commands.items():
        inner = getattr(one, "commands", None)
        found |= {f"{name} {leaf}": verb for leaf, verb in inner.items()} if inner else {name: one}
    return found


def test_help_loads_nothing_heavy() -> None:
    """It stays under half a second: each of these takes a tenth of one, pandas two whole ones."""
    asked = "import sys; from recorder.cli import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert "Usage: recorder" in done.stdout
    assert not set(HEAVY) & set(done.stderr.split())


def test_help_lists_every_verb_and_every_exit_code(tmp_path: Path) -> None:
    done = command("--help", folder=tmp_path)

    assert done.code == 0
    listed = {line.split()[0] for line in done.out.splitlines() if line.startswith("  ") and line.strip()}
    assert {words.split()[0] for words in verbs()} <= listed
    for code in (0, 1, 2, 3, 4, 5, 75, 130):
        assert f" {code} " in done.out


@pytest.mark.parametrize("words", verbs())
def test_every_verb_explains_itself_and_each_of_its_words(words: str, tmp_path: Path) -> None:
    """A sentence for the verb, and one for each argument and option."""
    verb = verbs()[words]

    done = command(*words.split(), "--help", folder=tmp_path)

    assert (done.code, done.err) == (0, "")
    assert verb.help.endswith(".")
    for parameter in verb.params:
        assert parameter.help.endswith("."), parameter.name


def test_without_a_verb_the_help_is_shown_and_nothing_done(tmp_path: Path) -> None:
    done = command(folder=tmp_path)

    assert done.code == 2
    assert "Commands:" in done.out + done.err
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_one_line(tmp_path: Path) -> None:
    assert command("--version", folder=tmp_path) == Done(0, f"{__version__}\n", "")


def test_init_writes_a_configuration_that_holds(tmp_path: Path) -> None:
    """What it says to do next works as it says."""
    first = command("init", folder=tmp_path)
    checked = command("check-config", folder=tmp_path)

    assert (first.code, first.out) == (0, "")
    assert "wrote recorder.toml" in first.err
    assert checked.code == 0
    assert checked.err.splitlines()[-1] == f"ok: {tmp_path / 'recorder.toml'}, 1 schedule"


def test_init_replaces_a_file_only_when_told_to(tmp_path: Path) -> None:
    """A configuration is work."""
    (tmp_path / "recorder.toml").write_text("# mine\n")

    refused = command("init", folder=tmp_path)
    kept = (tmp_path / "recorder.toml").read_text()
    forced = command("init", "--force", folder=tmp_path)

    assert (refused.code, forced.code) == (2, 0)
    assert refused.err == "recorder: recorder.toml exists already: name another file, or replace it with --force\n"
    assert kept == "# mine\n"
    assert "[[schedules]]" in (tmp_path / "recorder.toml").read_text()


def test_plan_shows_what_would_be_sent_and_when(folder: Path) -> None:
    """As a table and as JSON; nothing is asked, nothing is written."""
    table = command("plan", "--next", "2", folder=folder)
    as_json = command("plan", "--next", "1", "--json", folder=folder)

    assert table.table[0] == ["schedule_name", "due_at", "local_time", "request_body"]
    assert len(table.table) == 3
    (row,) = as_json.json
    assert json.loads(row["request_body"]) == {"target": {"matchTags": [["critical"]]}}
    assert row["due_at"].endswith("0:00.000Z")
    assert [path.name for path in folder.iterdir()] == ["recorder.toml"]


def test_a_dry_run_sends_and_writes_nothing(folder: Path, checkly: SimulatorServer) -> None:
    """And needs no key."""
    before = checkly.witness().requests

    done = command("trigger", "--tags", "a, b", "--tags", "!c", "--dry-run", folder=folder)

    assert done.code == 0
    assert done.json == {
        "method": "POST",
        "url": "https://api.checklyhq.com/v2/check-sessions/trigger",
        "body": {"target": {"matchTags": [["a", "b"], ["!c"]]}},
    }
    assert checkly.witness().requests == before
    assert [path.name for path in folder.iterdir()] == ["recorder.toml"]


def test_the_documented_session_is_imported_from_a_file_and_from_a_pipe(folder: Path) -> None:
    """The second time it is known already."""
    (folder / "session.json").write_text(json.dumps(RETRIEVE_ANSWER))

    first = command("import", "session.json", folder=folder)
    shown = command("sessions", "show", CHECK_SESSION_ID, "--json", folder=folder)
    piped = subprocess.run(
        [sys.executable, "-m", "recorder.cli", "import", "-"],
        cwd=folder,
        input=json.dumps(RETRIEVE_ANSWER).encode(),
        capture_output=True,
        check=False,
    )

    assert first == Done(0, "", "session.json: read 1 session, 1 of them new; 1 new result; 0 refused\n")
    assert (piped.returncode, piped.stdout) == (0, b"")
    assert piped.stderr == b"stdin: read 1 session, 0 of them new; 0 new results; 0 refused\n"
    assert shown.json["started_at"] == "2025-08-28T18:23:40.262Z"
    assert [one["run_location"] for one in shown.json["results"]] == ["us-east-1"]


def test_a_bad_line_is_named_and_the_exit_code_tells(folder: Path) -> None:
    """The others are stored; as JSON the summary stands alone on stdout."""
    lines = [json.dumps(session("one")), '{"cut', json.dumps(running("two"))]
    (folder / "export.jsonl").write_text("\n".join(lines))

    done = command("import", "export.jsonl", "--json", folder=folder)
    again = command("import", "export.jsonl", folder=folder)

    assert done.code == again.code == 1
    assert done.json == {
        "read": 2,
        "new_sessions": 2,
        "new_results": 2,
        "unfinished": [some_id("two")],
        "refused": 1,
    }
    assert done.err.startswith("export.jsonl: line 2: not readable as JSON")
    assert again.err.splitlines()[1:] == [
        "export.jsonl: read 2 sessions, 0 of them new; 0 new results; 1 refused",
        f"1 have no end yet and count in no rate; to fetch it: recorder record {some_id('two')}",
    ]


def test_status_prints_the_same_as_table_and_as_json(history: Engine, folder: Path) -> None:
    """Of each database; the password of its address is not shown."""
    open_session(history, "two")
    db.transact(history, lambda work: abandon_overdue(work, now=utc_now()))

    table = dict(command("status", "-d", url(history), folder=folder).table)
    found = command("status", "-d", url(history), "--json", folder=folder).json

    assert table["sessions recorded"] == str(found["sessions"]["recorded"]) == "2"
    assert found["sessions"]["last_started_at"] == "2026-11-18T11:00:00.000Z"
    assert table["sessions last started at"] == "2026-11-18 11:00:00.000"
    assert table["database"] == found["database"] == db.describe(history)
    assert found["spooled_answers"] == 0
    assert table["sessions abandoned: timeout"] == str(found["abandoned"][0]["sessions"]) == "1"
    assert [table["note"]] == found["health"]["notes"] == ["sessions given up in the last 24 hours: 1 timeout"]
    assert "answers waiting in the spool" not in table


def test_status_says_what_waits_in_the_spool(folder: Path) -> None:
    command("db", "upgrade", folder=folder)
    spool = folder / "history.db.spool"
    spool.mkdir()
    (spool / "fire-1-somebody.json").write_text("{}")

    assert dict(command("status", folder=folder).table)["answers waiting in the spool"] == "1"


def test_sessions_are_listed_and_shown_alike_on_both_databases(history: Engine, folder: Path) -> None:
    """Truth values are true or false, locations a list, times end in Z."""
    here = ("-d", url(history))

    (row,) = command("sessions", "list", "--json", *here, folder=folder).json
    shown = command("sessions", "show", some_id("one"), "--json", *here, folder=folder).json
    table = command("sessions", "list", "--since", "2026-11-18T12:00:00+01:00", *here, folder=folder).table
    none = command("sessions", "list", "--status", "FAILED", *here, folder=folder).table

    assert row == {
        "started_at": "2026-11-18T11:00:00.000Z",
        "check_name": "Checkout",
        "status": "PASSED",
        "time_elapsed_ms": 2000,
        "run_locations": ["eu-central-1", "us-east-1"],
        "origin": "import",
        "check_session_id": some_id("one"),
    }
    assert (shown["has_attempts"], shown["excluded"], shown["run_day"]) == (False, False, "2026-11-18")
    assert table[1][:3] == ["2026-11-18 11:00:00.000", "Checkout", "PASSED"]
    assert none == [table[0]]


def test_a_session_is_shown_as_two_tables(history: Engine, folder: Path) -> None:
    """Its fields, and its results, a blank line between."""
    done = command("sessions", "show", some_id("one"), "-d", url(history), folder=folder)

    fields, results = done.out.split("\n\n")
    assert "started_at\t2026-11-18 11:00:00.000" in fields
    assert len(results.splitlines()) == 3


def test_a_query_prints_a_table_or_json_on_both_databases(history: Engine, folder: Path) -> None:
    sql = "SELECT run_location, started_at, has_errors, attempts FROM result_history ORDER BY 1 LIMIT 1"

    table = command("query", sql, "-d", url(history), folder=folder)
    as_json = command("query", sql, "--json", "-d", url(history), folder=folder)

    assert table.out == (
        "run_location\tstarted_at\thas_errors\tattempts\neu-central-1\t2026-11-18 11:00:00.000\tfalse\t0\n"
    )
    assert as_json.json == [
        {
            "run_location": "eu-central-1",
            "started_at": "2026-11-18T11:00:00.000Z",
            "has_errors": False,
            "attempts": 0,
        }
    ]


def test_a_report_lists_its_files_or_sums_up_as_json(history: Engine, folder: Path) -> None:
    """The page first, each a path that is there; numbers are numbers."""
    window = ("range", "--from", "2026-11-16", "--to", "2026-11-23", "-d", url(history))

    files = command("report", *window, "--out", "report", folder=folder)
    found = command("report", *window, "--out", "other", "--format", "csv", "--json", folder=folder)

    assert files.code == 0, files.err
    assert files.out.splitlines()[0].endswith("index.html")
    assert all((folder / line).is_file() for line in files.out.splitlines())
    assert found.json["sessions"]["rated"] == 1
    assert {type(value) for value in found.json["sessions"].values()} == {int}


def test_the_schema_is_brought_up_and_named(folder: Path) -> None:
    """A second time there is nothing to do."""
    first = command("db", "upgrade", folder=folder)
    again = command("db", "upgrade", folder=folder)
    current = command("db", "current", folder=folder)

    assert (first.code, again.code) == (0, 0)
    assert first.err.startswith("sqlite:///history.db: empty -> ")
    assert again.err == f"sqlite:///history.db: already at {current.out}"


def test_an_importing_database_of_the_default_name_appears_in_the_current_folder(tmp_path: Path) -> None:
    """Without any configuration the defaults hold."""
    (tmp_path / "one.json").write_text(json.dumps(session()))

    done = command("import", "one.json", folder=tmp_path)

    assert done.code == 0
    engine = db.open_engine(f"sqlite:///{tmp_path / 'history.db'}")
    assert rows(engine, "SELECT COUNT(*) FROM check_sessions") == [(1,)]
    engine.dispose()


def test_the_simulator_says_where_it_is_and_ends_on_a_signal(tmp_path: Path) -> None:
    """Its address alone on stdout, for a script; how to use it on stderr."""
    simulate = [sys.executable, "-m", "recorder.cli", "simulate", "--port", "0"]
    with subprocess.Popen(simulate, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        process.terminate()
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out) == (0, "")
    assert address.startswith("http://127.0.0.1:")
    assert f"export CHECKLY_API_URL={address} " in err
