"""Each measure as a script on a database URL."""

import csv
import io
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from recorder.excluding import Span, add_exclusion
from reports.script import print_table
from tests.past import MONDAY, empty_database, hourly, record

ROOT = Path(__file__).resolve().parent.parent
WINDOW = ["--week", "2026-W47", "--timezone", "Europe/Berlin"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    record(empty_database(tmp_path), hourly(["pass", "fail", "pass"]))
    return f"sqlite:///{tmp_path / 'history.db'}"


@pytest.mark.parametrize("measure", ["pass_rate", "flakiness", "elapsed"])
@pytest.mark.parametrize("form", ["module", "file"])
def test_a_measure_prints_its_table(measure: str, form: str, url: str) -> None:
    """As a module and as a file of a checkout."""
    script = ["-m", f"reports.{measure}"] if form == "module" else [f"reports/{measure}.py"]

    done = subprocess.run(
        [sys.executable, *script, url, *WINDOW], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["check_name"], row["n"]) == ("Checkout", "2" if measure == "elapsed" else "3")


def test_the_script_of_times_has_them_without_what_is_excluded_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The columns of its file in the report."""
    engine = empty_database(tmp_path)
    record(engine, hourly(["pass", "fail", "pass"]))
    span = Span(MONDAY, MONDAY + timedelta(hours=1))
    add_exclusion(engine, span, reason="maintenance", who="ann@desk", now=lambda: MONDAY)

    assert print_table("elapsed", "", [f"sqlite:///{tmp_path / 'history.db'}", *WINDOW]) == 0

    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["n"], row["n_adjusted"], row["median_ms_adjusted"]) == ("2", "1", "1000")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["sqlite:////nowhere/at/all/history.db"], 5),
        (["mysql://localhost/history"], 5),
        (["nonsense"], 5),
        (["URL", "--week", "2026-W60"], 2),
        (["URL", "--timezone", "Mars/Olympus"], 2),
        (["URL", "--from", "2026-11-01"], 2),
        (["URL", "--week", "2026-W47", "--from", "2026-11-01", "--to", "2026-11-02"], 2),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(
    arguments: list[str], code: int, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing on stdout, so that no script takes it for a table."""
    answer = print_table("elapsed", "", [url if argument == "URL" else argument for argument in arguments])

    printed = capsys.readouterr()
    assert (answer, printed.out) == (code, "")
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("elapsed: ")


def test_a_mistyped_database_is_not_created(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would be found empty the next time."""
    assert print_table("elapsed", "", [f"sqlite:///{tmp_path / 'histroy.db'}"]) == 5

    assert "there is no database" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
