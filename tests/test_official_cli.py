"""Checkly's own command line against the simulator, and its sessions through the recorder.

Installs the official CLI from npm (about 100 MB): run by the gate and by `pytest -m official_cli`, not by default.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from recorder.simulator.server import SimulatorServer
from tests.processes import environment, recorder

pytestmark = pytest.mark.official_cli
VERSION: Final = "8.23.2"


@dataclass(frozen=True)
class OfficialCli:
    """The installed CLI and the environment that points it at the simulator."""

    folder: Path
    environ: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        """Run one command; its stdout. Fails with its stderr when it does not succeed."""
        done = subprocess.run(
            [str(self.folder / "node_modules" / ".bin" / "checkly"), *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def checkly() -> Iterator[SimulatorServer]:
    with SimulatorServer(speed=60.0) as server:
        yield server


@pytest.fixture(scope="module")
def official(checkly: SimulatorServer, tmp_path_factory: pytest.TempPathFactory) -> OfficialCli:
    folder = tmp_path_factory.mktemp("official")
    npm = shutil.which("npm")
    assert npm, "the official CLI needs npm: install Node.js"
    subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", f"checkly@{VERSION}"], cwd=folder, check=True, capture_output=True
    )
    environ = os.environ | {
        "CHECKLY_ENV": "local",
        "CHECKLY_API_URL": checkly.base_url,
        "CHECKLY_API_KEY": "x",
        "CHECKLY_ACCOUNT_ID": checkly.account_id,
    }
    return OfficialCli(folder, environ)


@pytest.fixture(scope="module")
def sessions(official: OfficialCli) -> list[dict[str, Any]]:
    printed = official("checks", "run", "--tags", "production,!skip-e2e", "--tags", "web", "-o", "json")
    found: list[dict[str, Any]] = json.loads(printed)["sessions"]
    return found


def test_it_runs_tagged_checks_and_waits_for_their_results(sessions: list[dict[str, Any]]) -> None:
    assert len(sessions) > 1
    assert all(session["results"] for session in sessions)


def test_it_lists_and_shows_checks(official: OfficialCli, sessions: list[dict[str, Any]]) -> None:
    one = sessions[0]

    listed, shown = official("checks", "list"), official("checks", "get", one["checkId"])

    assert "Storefront homepage" in listed
    assert one["name"] in shown


def test_it_reads_a_session_through_the_first_api_version(
    official: OfficialCli, sessions: list[dict[str, Any]]
) -> None:
    printed = official("api", f"/v1/check-sessions/{sessions[0]['checkSessionId']}")

    assert json.loads(printed)["status"] == sessions[0]["status"]


def test_the_recorder_imports_what_it_prints_and_records_the_same_sessions_by_id(
    checkly: SimulatorServer, sessions: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"sessions": sessions}))
    environ = environment(checkly)

    imported = recorder("import", "run.json", "--json", folder=tmp_path, environ=environ)
    recorded = recorder("record", *[one["checkSessionId"] for one in sessions], folder=tmp_path, environ=environ)
    status = recorder("status", "--json", folder=tmp_path, environ=environ)

    assert (imported.returncode, recorded.returncode) == (0, 0), imported.stderr + recorded.stderr
    found = json.loads(status.stdout)["sessions"]
    assert (found["recorded"], found["final"]) == (len(sessions), len(sessions))
    assert found["results"] == sum(len(one["results"]) for one in sessions)
