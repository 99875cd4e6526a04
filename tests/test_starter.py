"""The configuration that `recorder init` writes."""

import re
import shutil
import tomllib
from pathlib import Path
from uuid import UUID

import pytest

from recorder.config import Settings, load_settings, warnings_for
from recorder.settings import (
    ChecklySettings,
    DatabaseSettings,
    DeliverySettings,
    ReportSettings,
    ScheduleSettings,
    ThresholdSettings,
)
from recorder.starter import STARTER_TOML
from tests.sockets import AUTHORITY

SWITCHED_OFF = re.compile(r"^#(?=\S)", re.MULTILINE)
EVERYTHING_ON = SWITCHED_OFF.sub("", STARTER_TOML)


def load(folder: Path, text: str) -> Settings:
    (folder / "recorder.toml").write_text(text)
    return load_settings(None, environ={}, cwd=folder)


def test_the_starter_file_is_valid_as_it_is_written(tmp_path: Path) -> None:
    """One hourly schedule that runs what was given the tag `recorder` on purpose, and nothing to warn about."""
    settings = load(tmp_path, STARTER_TOML)

    assert [(schedule.name, schedule.match_tags) for schedule in settings.schedules] == [("hourly", (("recorder",),))]
    assert warnings_for(settings) == []


def test_every_setting_that_is_switched_off_is_valid_when_it_is_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking the # away is all that a newcomer has to do."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(AUTHORITY, "company-ca.pem")

    settings = load(tmp_path, EVERYTHING_ON)

    assert settings.checkly.account_id == UUID("00000000-0000-4000-8000-000000000000")
    assert [schedule.name for schedule in settings.schedules] == ["hourly", "checkout", "nightly-everything"]


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("checkly", ChecklySettings.model_fields.keys() - {"api_key"}),
        ("database", DatabaseSettings.model_fields.keys()),
        ("schedules", ScheduleSettings.model_fields.keys()),
        ("reports", ReportSettings.model_fields.keys()),
        ("deliveries", DeliverySettings.model_fields.keys()),
        ("thresholds", ThresholdSettings.model_fields.keys()),
    ],
)
def test_every_setting_there_is_stands_in_the_starter_file(section: str, keys: set[str]) -> None:
    """A new setting has to be explained to newcomers before this passes."""
    written = tomllib.loads(EVERYTHING_ON)[section]
    tables = written if isinstance(written, list) else [written]

    assert set().union(*tables) == set(keys)


def test_the_defaults_that_the_starter_file_shows_are_the_defaults(tmp_path: Path) -> None:
    """Each setting that is switched off and is no example says what holds without it."""
    examples = {"account_id", "ca_file", "proxy", "weekly", "expect_locations", "spool"}
    shown = [
        line
        for line in re.findall(r"^#?\[.*|^#\w+ = .*", STARTER_TOML.split("#[[schedules]]")[0], re.MULTILINE)
        if line.removeprefix("#").split(" = ")[0] not in examples
    ]
    with_defaults = load(tmp_path, STARTER_TOML)
    text = "\n".join(line.removeprefix("#") for line in shown)
    schedule = 'name = "hourly"\ncron = "5 * * * *"\nmatch_tags = [["recorder"]]'

    assert load(tmp_path, text.replace("[[schedules]]", f"[[schedules]]\n{schedule}")) == with_defaults
