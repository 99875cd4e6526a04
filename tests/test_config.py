"""How the configuration is found and read, and which source goes before which."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from recorder.config import ScheduleSettings, Settings, access_problems, find_config
from recorder.errors import ConfigError
from recorder.schedule import Cadence
from tests.configuring import ACCOUNT_ID, CHECK_ID, SECRET, load

DESIGN = """
[checkly]
api_version = "v1"
requests_per_minute = 300

[database]
url = "postgresql+psycopg://recorder:pass@db/history"

[[schedules]]
name = "prod-hourly"
cron = "5 * * * *"
timezone = "Europe/Berlin"
match_tags = [["production", "!skip-e2e"], ["critical"]]
expect_locations = ["eu-central-1"]
jitter = "30s"
misfire = "skip"
misfire_grace = "10m"
overlap = "allow"
session_timeout = "90m"

[[schedules]]
name = "checkout"
every = "10m"
check_ids = ["a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a"]

[reports]
timezone = "Europe/Berlin"
directory = "out"
weekly = "0 7 * * 1"
"""


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    """A file named recorder.toml is not needed to import or to report."""
    settings = load(tmp_path)

    assert settings == Settings()
    assert (settings.database.url, settings.checkly.base_url) == ("sqlite:///history.db", "https://api.checklyhq.com")
    assert (settings.checkly.api_version, settings.checkly.requests_per_minute) == ("v2", 540)
    assert (settings.reports.timezone, settings.reports.directory) == ("UTC", Path("reports-out"))
    assert (settings.reports.cadence, settings.schedules, settings.source) == (None, (), None)


def test_every_setting_of_the_file_arrives(tmp_path: Path) -> None:
    """The example of the documentation, with values that are no defaults."""
    settings = load(tmp_path, DESIGN)
    hourly, checkout = settings.schedules

    assert settings.source == tmp_path / "recorder.toml"
    assert (settings.checkly.api_version, settings.checkly.requests_per_minute) == ("v1", 300)
    assert settings.database.url == "postgresql+psycopg://recorder:pass@db/history"
    assert hourly == ScheduleSettings(
        name="prod-hourly",
        cron="5 * * * *",
        timezone="Europe/Berlin",
        match_tags=(("production", "!skip-e2e"), ("critical",)),
        expect_locations=("eu-central-1",),
        jitter=timedelta(seconds=30),
        misfire="skip",
        misfire_grace=timedelta(minutes=10),
        overlap="allow",
        session_timeout=timedelta(minutes=90),
    )
    assert hourly.cadence == Cadence(cron="5 * * * *", every=None, timezone="Europe/Berlin")
    assert (checkout.cadence.every, checkout.check_ids) == (timedelta(minutes=10), (UUID(CHECK_ID),))
    assert (checkout.misfire, checkout.misfire_grace, checkout.overlap) == ("run_once", timedelta(minutes=5), "skip")
    assert (checkout.session_timeout, checkout.jitter) == (timedelta(minutes=60), timedelta(0))
    assert settings.reports.cadence == Cadence(cron="0 7 * * 1", every=None, timezone="Europe/Berlin")


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    """CHECKLY_* before RECORDER_* before the file; an empty variable is as good as none."""
    text = (
        f'[checkly]\naccount_id = "{CHECK_ID}"\nbase_url = "https://file.example"\n[reports]\ntimezone = "Asia/Tokyo"'
    )
    environ = {
        "CHECKLY_API_KEY": SECRET,
        "CHECKLY_ACCOUNT_ID": ACCOUNT_ID,
        "CHECKLY_API_URL": "http://127.0.0.1:8080/",
        "RECORDER_CHECKLY_BASE_URL": "https://variable.example",
        "RECORDER_CHECKLY_REQUESTS_PER_MINUTE": "60",
        "RECORDER_DATABASE_URL": "sqlite:////var/history.db",
        "RECORDER_REPORTS_DIRECTORY": "2026",
        "RECORDER_REPORTS_TIMEZONE": "",
        "RECORDER_OF_SOMEBODY_ELSE": "x",
    }

    settings = load(tmp_path, text, environ)

    assert settings.checkly.api_key is not None
    assert settings.checkly.api_key.get_secret_value() == SECRET
    assert (settings.checkly.account_id, settings.checkly.base_url) == (UUID(ACCOUNT_ID), "http://127.0.0.1:8080")
    assert (settings.checkly.requests_per_minute, settings.database.url) == (60, "sqlite:////var/history.db")
    assert (settings.reports.directory, settings.reports.timezone) == (Path("2026"), "Asia/Tokyo")


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n"])
def test_the_key_may_come_from_a_file_with_or_without_a_line_break_at_its_end(tmp_path: Path, content: str) -> None:
    """As secrets are mounted into containers."""
    file = tmp_path / "key"
    file.write_bytes(content.encode())

    key = load(tmp_path, environ={"CHECKLY_API_KEY_FILE": str(file)}).checkly.api_key

    assert key is not None
    assert key.get_secret_value() == SECRET


def test_what_is_missing_to_ask_checkly_is_named_only_when_it_is_asked_for() -> None:
    """Importing and reporting need neither key nor account."""
    assert [problem.place for problem in access_problems(Settings())] == ["CHECKLY_API_KEY", "CHECKLY_ACCOUNT_ID"]


def test_nothing_is_missing_when_key_and_account_are_there(tmp_path: Path) -> None:
    """Wherever they came from."""
    environ = {"CHECKLY_API_KEY": SECRET, "CHECKLY_ACCOUNT_ID": ACCOUNT_ID}

    assert access_problems(load(tmp_path, environ=environ)) == []


def test_a_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    """With a byte order mark and its line ends."""
    assert load(tmp_path, b'\xef\xbb\xbf[reports]\r\ntimezone = "Asia/Tokyo"\r\n').reports.timezone == "Asia/Tokyo"


def test_the_option_goes_before_the_variable_and_that_before_the_current_folder(tmp_path: Path) -> None:
    """And without any of them there is none."""
    assert find_config(None, {}, tmp_path) is None
    for name in ("option.toml", "variable.toml", "recorder.toml"):
        (tmp_path / name).touch()
    environ = {"RECORDER_CONFIG": "variable.toml"}

    assert find_config(Path("option.toml"), environ, tmp_path) == tmp_path / "option.toml"
    assert find_config(None, environ, tmp_path) == tmp_path / "variable.toml"
    assert find_config(None, {"RECORDER_CONFIG": ""}, tmp_path) == tmp_path / "recorder.toml"


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """Going on with the defaults would write into another database."""
    with pytest.raises(ConfigError, match=r"^--config: there is no file prod.toml$"):
        find_config(Path("prod.toml"), {}, tmp_path)
    with pytest.raises(ConfigError, match=r"^RECORDER_CONFIG: there is no file /nowhere/prod.toml$"):
        find_config(None, {"RECORDER_CONFIG": "/nowhere/prod.toml"}, tmp_path)
