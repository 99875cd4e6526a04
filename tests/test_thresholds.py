"""The thresholds: one list for the configuration and for the reports, and each one is heeded."""

from dataclasses import asdict
from pathlib import Path

import pytest

from recorder.cli_common import thresholds_of
from recorder.settings import ThresholdSettings
from reports.thresholds import DEFAULTS, Thresholds
from reports.weekly import build_report
from tests.configuring import load, problems
from tests.past import empty_database, hourly, record, week


def test_the_configuration_and_the_reports_have_the_same_defaults() -> None:
    """Two lists, because reports know nothing of the configuration."""
    assert asdict(DEFAULTS) == ThresholdSettings().model_dump()


def test_a_threshold_of_the_file_reaches_the_reports(tmp_path: Path) -> None:
    """All others keep their defaults."""
    settings = load(tmp_path, "[thresholds]\nmin_runs = 7\nflaky_rate = 0.5\n")

    assert thresholds_of(settings) == Thresholds(min_runs=7, flaky_rate=0.5)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("min_runs = 0", "must be at least 1"),
        ("level_week_days = 8", "must be at most 7"),
        ("flaky_rate = 1.5", "must be a number above 0 and up to 1, such as 0.05"),
        ("fleet_share = true", "must be a number above 0 and up to 1, such as 0.05"),
        ("broken_results = 2", "must be at least broken_failures, 6: no state could ever be broken by it"),
        ("min_run = 5", 'unknown key "min_run"; did you mean "min_runs"?'),
    ],
)
def test_a_threshold_that_makes_no_sense_is_said_with_its_place(line: str, sentence: str, tmp_path: Path) -> None:
    """As every other setting."""
    key = line.split(" = ", maxsplit=1)[0]

    assert problems(tmp_path, f"[thresholds]\n{line}\n") == [f"recorder.toml:2 thresholds.{key}: {sentence}"]


def test_a_changed_threshold_changes_what_is_called_flaky() -> None:
    """Twelve flakes in 24 runs: flaky, unless thirteen are asked for."""
    engine = empty_database()
    record(engine, hourly(["pass", "fail"] * 12 + ["pass"]))

    usual, strict = (build_report(engine, week(), thresholds) for thresholds in (DEFAULTS, Thresholds(flaky_events=13)))

    assert usual.check_location["state"].tolist() == ["flaky"]
    assert strict.check_location["state"].tolist() == ["healthy"]
