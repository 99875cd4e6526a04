"""The wheel is whole: what it holds does the job far from the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.past import hourly

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `pip install .` builds it, from what is installed already: no network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        "wheel",
        str(ROOT),
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--quiet",
        "--wheel-dir",
        str(folder),
    ]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files and its command, in a folder that goes before everything else that is installed."""
    folder = tmp_path_factory.mktemp("installed")
    install = ["install", "--no-deps", "--no-index", "--quiet", "--target", str(folder), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, timeout=120)
    return folder


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder, without any of the recorder's variables."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("RECORDER_", "CHECKLY_"))}
    return subprocess.run(
        [installed / "bin" / "recorder", *arguments],
        cwd=folder,
        env=own | {"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_wheel_holds_every_file_of_its_packages(wheel: Path) -> None:
    """Templates, styles and migrations too; nothing of tests, docs or tools."""
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    packages = ("recorder", "reports", "migrations")
    files = {path for package in packages for path in (ROOT / package).rglob("*") if path.is_file()}
    assert in_wheel == {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert any(name.endswith(".html.j2") for name in in_wheel)


def test_the_wheel_carries_its_licence_and_its_readme(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
        assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())

    assert "License-Expression: Apache-2.0" in text
    assert "# Checkly session recorder" in text


def test_the_installed_command_migrates_imports_and_reports_outside_the_checkout(
    installed: Path, tmp_path: Path
) -> None:
    code = "import migrations, recorder, reports; print(recorder.__file__, reports.__file__, migrations.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(installed)}, check=True, capture_output=True
    )
    assert where.stdout.decode().count(str(installed)) == 3
    (tmp_path / "sessions.json").write_text(json.dumps(hourly(["pass", "fail", "pass"])), encoding="utf-8")

    run(installed, tmp_path, "db", "upgrade")
    imported = run(installed, tmp_path, "import", "sessions.json", "--json")
    report = run(installed, tmp_path, "report", "weekly", "--week", "2026-W47", "--json")

    assert json.loads(imported.stdout)["new_sessions"] == 3
    files = [tmp_path / name for name in json.loads(report.stdout)["files"]]
    assert {file.name for file in files} >= {"index.html", "checks.csv", "check_location.csv"}
    assert "Checkout" in files[0].read_text(encoding="utf-8")
