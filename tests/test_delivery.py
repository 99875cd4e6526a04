"""Reports on their way to people: from a daemon that was away, and as an exit code for a pipeline."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert

from recorder import db
from recorder.clock import utc_now
from recorder.delivering import WEEKLY
from recorder.models import Delivery
from recorder.simulator.server import SimulatorServer
from tests.commands import command, one_line
from tests.past import hourly
from tests.processes import environment, running, stop, wait_until
from tests.sockets import ScriptedServer, http_answer, saying

CONFIGURATION = """
[reports]
directory = "out"
weekly = "0 7 * * 1"
published_at = "https://reports.example/checkly"

[[deliveries]]
name = "checkout"
cron = "0 7 1 * *"
period = "monthly"
checks = ["Checkout"]
notify_from = "TEAM_URLS"

[thresholds]
min_runs = 7
"""
NOBODY = {"CHECKLY_API_KEY": "a-key", "CHECKLY_ACCOUNT_ID": str(UUID(int=1)), "CHECKLY_API_URL": "http://127.0.0.1:9"}


@pytest.fixture
def checkly() -> Iterator[SimulatorServer]:
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recorder.toml").write_text(CONFIGURATION)
    return tmp_path


@pytest.fixture
def away(folder: Path) -> Iterator[Engine]:
    """The history of a daemon that was there ten days ago (and for the month, forty) and not since."""
    engine = db.open_engine(f"sqlite:///{folder / 'history.db'}")
    db.upgrade(engine)
    with engine.begin() as connection:
        for name, days in ((WEEKLY, 10), ("checkout", 40)):
            connection.execute(insert(Delivery).values(name=name, cursor=utc_now() - timedelta(days=days)))
    yield engine
    engine.dispose()


def test_a_daemon_writes_what_was_due_in_its_absence_and_tells_people(
    checkly: SimulatorServer, folder: Path, away: Engine
) -> None:
    """Each once: the next daemon finds nothing to do. The address with its password is in no log and no database."""
    assert away.url.database
    with ScriptedServer(saying(http_answer(200))) as sink:
        environ = environment(checkly) | {"TEAM_URLS": f"json://ann:hunter22@127.0.0.1:{sink.port}/"}
        with running("run", folder=folder, environ=environ) as daemon:
            wait_until((folder / "out" / "latest").is_symlink, "the first report")
            wait_until((folder / "out" / "checkout" / "latest").is_symlink, "the second report")
            wait_until(lambda: bool(sink.requests), "the notification")
            code = stop(daemon)
        with running("run", folder=folder, environ=environ) as daemon:
            wait_until(lambda: (folder / "stderr.txt").read_text().count("recorder started") == 2, "the second daemon")
            wait_until(lambda: (folder / "history.db.lock").read_text().strip() == str(daemon.pid), "its lock")
            assert stop(daemon) == 0

    log = (folder / "stderr.txt").read_text()
    reports = sorted(path.parent for path in (folder / "out").rglob("delivery.json") if not path.parent.is_symlink())
    weeks = [path for path in reports if "-W" in path.name]
    (month,) = {path.resolve() for path in reports if path.parent.name == "checkout"}
    assert code == 0
    assert log.count("report written") == len({path.resolve() for path in reports})
    assert json.loads((folder / "out" / "latest" / "manifest.json").read_text())["thresholds"]["min_runs"] == 7
    assert (folder / "out" / "latest").resolve() in {path.resolve() for path in weeks}
    (request,) = sink.requests
    told = json.loads(request.body)
    assert f"https://reports.example/checkly/checkout/{month.name}/index.html" in told["message"]
    assert [one["filename"] for one in told["attachments"]] == ["index.html"]
    assert "hunter22" not in log
    assert b"hunter22" not in (folder / "history.db").read_bytes()


def test_a_daemon_does_not_start_when_nobody_can_be_told(folder: Path) -> None:
    """On a Monday morning it would be too late to learn it."""
    done = command("run", folder=folder, environ=NOBODY)

    assert done.code == 3
    assert one_line(done) == (
        "recorder: TEAM_URLS: holds no Apprise URL: set it, or TEAM_URLS_FILE to a file with one a line"
    )


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Three sessions of four passed in week 47."""
    (tmp_path / "sessions.json").write_text(json.dumps(hourly(["pass", "pass", "fail", "pass"])))
    assert command("import", "sessions.json", folder=tmp_path).code == 0
    return tmp_path


def weekly(folder: Path, week: str, *options: str) -> tuple[int, str]:
    done = command("report", "weekly", "--week", week, *options, folder=folder)
    return done.code, done.err.splitlines()[-1]


@pytest.mark.parametrize(("limit", "code"), [("0.75", 0), ("0.750001", 1), ("0", 0), ("1", 1)])
def test_too_few_passed_sessions_are_an_exit_code(limit: str, code: int, recorded: Path) -> None:
    """The report is written all the same; exactly the rate is enough."""
    assert weekly(recorded, "2026-W47", "--fail-under", limit)[0] == code
    assert (recorded / "reports-out" / "2026-W47" / "index.html").exists()


def test_the_sentence_says_the_rate_and_the_limit(recorded: Path) -> None:
    assert weekly(recorded, "2026-W47", "--fail-under", "0.99") == (
        1,
        "2026-W47: 75.00 % of the sessions passed; --fail-under asks for 99.00 %",
    )


def test_what_is_excluded_does_not_fail_a_pipeline(recorded: Path) -> None:
    """But an exclusion of something else does not save it."""
    span = ("--from", "2026-11-16T02:00", "--to", "2026-11-16T03:00", "--reason", "maintenance")
    assert command("exclude", "add", *span, "--location", "eu", folder=recorded).code == 0

    assert weekly(recorded, "2026-W47", "--fail-under", "1")[0] == 0

    assert command("exclude", "remove", "1", folder=recorded).code == 0
    span = ("--from", "2026-11-16T01:00", "--to", "2026-11-16T02:00", "--reason", "maintenance")
    assert command("exclude", "add", *span, folder=recorded).code == 0
    assert weekly(recorded, "2026-W47", "--fail-under", "1") == (
        1,
        "2026-W47: 66.66 % of the sessions passed, without the excluded ones; --fail-under asks for 100 %",
    )


def test_a_window_without_data_is_no_pass(recorded: Path) -> None:
    """Never a made-up 100 %; as JSON the rate is null."""
    assert weekly(recorded, "2026-W40", "--fail-under", "0") == (
        1,
        "2026-W40: no session can be rated; --fail-under asks for 0 %",
    )
    done = command("report", "weekly", "--week", "2026-W40", "--fail-under", "0.5", "--json", folder=recorded)
    assert (done.code, done.json["session_pass_rate"]) == (1, None)


@pytest.mark.parametrize("limit", ["99", "-0.1", "high", "nan"])
def test_a_limit_that_is_no_share_is_usage(limit: str, recorded: Path) -> None:
    assert command("report", "weekly", "--fail-under", limit, folder=recorded).code == 2


@pytest.mark.parametrize("zone", ["Mars/Olympus", ""])
def test_an_unknown_zone_is_one_line(zone: str, recorded: Path) -> None:
    """An empty one, as an unset variable of a shell leaves it, is no word for the configured one."""
    done = command("report", "weekly", "--timezone", zone, folder=recorded)

    assert done.code == 2
    assert f"unknown time zone {zone!r}" in one_line(done)


def test_a_folder_that_cannot_be_written_is_one_line(recorded: Path) -> None:
    (recorded / "full").write_text("a file")

    done = command("report", "weekly", "--week", "2026-W47", "--out", "full/report", folder=recorded)

    assert done.code == 2
    assert one_line(done) == "recorder: cannot write the report to full/report: Not a directory"
