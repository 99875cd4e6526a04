"""How the configuration is found and read, and what is said about one that is wrong."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from recorder.access import ChecklyAccess
from recorder.config import (
    ScheduleSettings,
    Settings,
    access_problems,
    definition,
    find_config,
    load_settings,
    warnings_for,
)
from recorder.errors import ConfigError
from recorder.schedule import Cadence
from recorder.targets import Target
from tests.sockets import AUTHORITY

CHECK_ID = "a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a"
ACCOUNT_ID = "1397c172-1938-4973-a225-5862298e571a"
SECRET = "cu_0123456789abcdef"  # noqa: S105 - no real one

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


def load(folder: Path, text: str | bytes | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    if text is not None:
        (folder / "recorder.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return load_settings(None, environ=environ or {}, cwd=folder)


def problems(folder: Path, text: str | bytes | None = None, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        load(folder, text, environ)
    return [str(problem) for problem in refusal.value.problems]


def schedule(lines: str) -> str:
    """A file with one schedule; its name is on line 2, and `lines` begin on line 4."""
    return f'[[schedules]]\nname = "checkout"\nevery = "10m"\n{lines}\n'


# What holds


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


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_postgresql_is_always_reached_through_psycopg_3(tmp_path: Path, url: str) -> None:
    """SQLAlchemy would take psycopg2 for the plain name."""
    assert load(tmp_path, f'[database]\nurl = "{url}"').database.url == "postgresql+psycopg://u:p@h/d"


def test_a_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    """With a byte order mark and its line ends."""
    assert load(tmp_path, b'\xef\xbb\xbf[reports]\r\ntimezone = "Asia/Tokyo"\r\n').reports.timezone == "Asia/Tokyo"


# Finding the file


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


def test_a_folder_a_broken_link_and_an_endless_device_are_one_line_each(tmp_path: Path) -> None:
    """None of them ends in a traceback, or never."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "recorder.toml").symlink_to(tmp_path / "gone")

    assert problems(tmp_path) == ["recorder.toml: cannot be read: No such file or directory"]
    with pytest.raises(ConfigError, match=r"^folder: cannot be read: Is a directory$"):
        load_settings(Path("folder"), environ={}, cwd=tmp_path)
    with pytest.raises(ConfigError, match=r"^/dev/zero: cannot be read: it holds more than 1 MiB$"):
        load_settings(Path("/dev/zero"), environ={}, cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"[checkly]\napi_version = \n", "recorder.toml:2:15: is not TOML: Invalid value"),
        (b"[checkly]\n[checkly]\n", "recorder.toml:2:9: is not TOML: Cannot declare ('checkly',) twice"),
        (b"name = 'x", 'recorder.toml: is not TOML: Expected "\'" at the end of the file'),
        (b"\xff\xfe", "recorder.toml: is not a text in UTF-8"),
        (b"x = " + b"[" * 20_000 + b"]" * 20_000, "recorder.toml: nests lists or tables too deeply"),
        (b"x = " + b"9" * 5_000, "recorder.toml: holds a number with too many digits"),
    ],
)
def test_what_is_no_toml_is_one_line_with_its_place(tmp_path: Path, text: bytes, line: str) -> None:
    """Line and column, where there are any."""
    assert problems(tmp_path, text) == [line]


# Everything that is wrong, at once

WRONG = f"""\
colour = "red"
cron = "@daily"
[checkly]
api_key = "{SECRET}"
api_verson = "v1"
api_version = "v3"
requests_per_minute = "540"
timeout = 30
[[schedules]]
name = "Check  out"
match_tag = [["production"]]
every = "500ms"
[[schedules]]
name = "check out"
cron = "0 0 30 2 *"
every = "5m"
match_tags = [
    ["ok"], ["ok", "!"], "bare",
    [],
]
[reports]
timezone = "Europe/Berln"
weekly = "monday"
"""


def test_all_mistakes_are_said_at_once_each_with_its_place(tmp_path: Path) -> None:
    """Down the file, then the environment: file, line, key, name of the schedule, what to do."""
    environ = {"RECORDER_REPORTS_TIMEZON": "UTC", "RECORDER_DATABSE_URL": "x", "CHECKLY_ACCOUNT_ID": "mine"}

    assert problems(tmp_path, WRONG, environ) == [
        'recorder.toml:1 colour: unknown key "colour": leave it out',
        'recorder.toml:2 cron: unknown key "cron" here: it belongs in [[schedules]]',
        "recorder.toml:4 checkly.api_key: a key has no place in this file: set CHECKLY_API_KEY or CHECKLY_API_KEY_FILE",
        'recorder.toml:5 checkly.api_verson: unknown key "api_verson"; did you mean "api_version"?',
        'recorder.toml:6 checkly.api_version: must be "v1" or "v2"',
        "recorder.toml:7 checkly.requests_per_minute: must be a whole number, not a text",
        'recorder.toml:8 checkly.timeout: must be a text with a unit, such as "30s"',
        'recorder.toml:9 schedules[0] "Check  out": has no target: write match_tags = [["production"]] or '
        'check_ids = ["..."], or run_everything = true for every check of the account',
        'recorder.toml:11 schedules[0] "Check  out" match_tag: unknown key "match_tag"; did you mean "match_tags"?',
        'recorder.toml:12 schedules[0] "Check  out" every: must be at least 1s',
        'recorder.toml:14 schedules[1] "check out" name: "check out" is taken by recorder.toml:10 schedules[0] '
        '"Check  out" name: a schedule keeps its history by its name',
        'recorder.toml:15 schedules[1] "check out" cron: cron "0 0 30 2 *" never fires: no month it names has that day',
        'recorder.toml:16 schedules[1] "check out" every: write exactly one of cron and every',
        'recorder.toml:18 schedules[1] "check out" match_tags[1][1]: "!" alone excludes no tag: write ! and the tag',
        'recorder.toml:18 schedules[1] "check out" match_tags[2]: "bare" stands alone: each group is a list, '
        'write [["bare"]]',
        'recorder.toml:19 schedules[1] "check out" match_tags[3]: must not be empty: an empty list may run every check '
        "of the account",
        'recorder.toml:22 reports.timezone: "Europe/Berln" is no time zone: write an IANA name, as Europe/Berlin; '
        'did you mean "Europe/Berlin"?',
        'recorder.toml:23 reports.weekly: cron "monday" is not five fields: write minute hour day month weekday',
        "RECORDER_DATABSE_URL: is not read; did you mean RECORDER_DATABASE_URL?",
        "CHECKLY_ACCOUNT_ID: must be a UUID, as in a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a",
        'RECORDER_REPORTS_TIMEZON: unknown key "timezon"; did you mean "timezone"?',
    ]


@pytest.mark.parametrize(
    "target",
    [
        "",
        "match_tags = []",
        "match_tags = [[]]",
        'match_tags = [[""]]',
        'match_tags = [["  "]]',
        'match_tags = [["\\u200b"]]',
        'match_tags = [["production"], []]',
        'match_tags = [["production", ""]]',
        'match_tags = ["production"]',
        'match_tags = "production"',
        'match_tags = [["!"]]',
        'match_tags = [["! "]]',
        'match_tags = [["!!production"]]',
        'match_tags = [[" production"]]',
        'match_tags = [["! production"]]',
        'match_tags = [["production\\n"]]',
        'match_tags = [["prod\\u0000uction"]]',
        "match_tags = [[1]]",
        "check_ids = []",
        'check_ids = ["checkout"]',
        f'check_ids = "{CHECK_ID}"',
        f'check_ids = ["{{{CHECK_ID}}}"]',
        f'check_ids = ["{CHECK_ID}", "{CHECK_ID.upper()}"]',
        f'match_tags = []\ncheck_ids = ["{CHECK_ID}"]',
        f'match_tags = [[]]\ncheck_ids = ["{CHECK_ID}"]',
        'match_tags = [["production"]]\ncheck_ids = []',
        'match_tag = [["production"]]',
        "run_everything = false",
        'run_everything = "true"',
        'run_everything = true\nmatch_tags = [["production"]]',
        f'run_everything = true\ncheck_ids = ["{CHECK_ID}"]',
        "run_everything = true\nmatch_tags = [[]]",
    ],
)
def test_a_target_that_is_empty_or_not_what_was_meant_is_refused(tmp_path: Path, target: str) -> None:
    """The dearest mistake there is: without a target Checkly runs the whole account."""
    found = problems(tmp_path, schedule(target))

    assert found
    assert all(problem.startswith("recorder.toml:") and 'schedules[0] "checkout"' in problem for problem in found)


@pytest.mark.parametrize(
    ("target", "built"),
    [
        (
            'match_tags = [["production", "!skip e2e"], ["größe: ✅"]]',
            Target((("production", "!skip e2e"), ("größe: ✅",))),
        ),
        (f'check_ids = ["{CHECK_ID.upper()}"]', Target(check_ids=(UUID(CHECK_ID),))),
        ("run_everything = true\nrefresh_cache = true", Target(run_everything=True, refresh_cache=True)),
    ],
)
def test_a_target_that_is_accepted_is_one_that_can_be_sent(tmp_path: Path, target: str, built: Target) -> None:
    """The guard where the request is built has nothing to add."""
    (found,) = load(tmp_path, schedule(target)).schedules

    assert Target(found.match_tags, found.check_ids, found.run_everything, found.refresh_cache) == built
    assert built.request_body()


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('every = "10m"', "write exactly one of cron and every"),
        ("", "write exactly one of cron and every"),
        ('cron = "61 * * * *"', '"61" is no minute'),
        ('cron = "0 0 30 2 *"', "never fires"),
        ('timezone = "Mars"', '"Mars" is no time zone'),
        ('jitter = "-1s"', '"-1s" is no duration'),
        ('jitter = "1h"', "must be shorter than 1h, the shortest time between two due times"),
        ('misfire = "run"', 'must be "run_once" or "skip"'),
        ('misfire_grace = "5 minutes"', "is no duration"),
        ('overlap = "queue"', 'must be "skip" or "allow"'),
        ('session_timeout = "0s"', "must be at least 1s"),
        ("cancel_on_timeout = 1", "must be true or false, not a number"),
        ("paused = 2026-01-01", "must be true or false, not a date or time"),
        ('expect_locations = "eu-west-1"', "must be a list in [ ], not a text"),
        ('expect_locations = [""]', "must not be empty"),
        ('name = " x"', "has blanks around it"),
        ('name = "a\\u0007"', '"a\\x07" holds a control character'),
    ],
)
def test_a_wrong_schedule_is_answered_with_what_is_wrong(tmp_path: Path, lines: str, sentence: str) -> None:
    """One mistake, one problem: none hides or causes another."""
    settings = {"name": 'name = "checkout"', "cron": 'cron = "5 * * * *"', "match_tags": 'match_tags = [["a"]]'}
    if lines:
        settings[lines.split(" = ", maxsplit=1)[0]] = lines
    else:
        del settings["cron"]

    (problem,) = problems(tmp_path, "[[schedules]]\n" + "\n".join(settings.values()))

    assert sentence in problem


@pytest.mark.parametrize(
    "url",
    [
        "http://api.checklyhq.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "https://user:hunter22@api.checklyhq.com",
        "https://hunter22@api.checklyhq.com",
        "https://api.checklyhq.com?key=hunter22",
        "https://api.checklyhq.com#hunter22",
        "https://api.checklyhq.com/v2",
        "https://api.checklyhq.com:0",
        "https://api.checklyhq.com:hunter22",
        "https://api.checklyhq.com\\@hunter22.example",
        "https://api.checklyhq.com /hunter22",
        "https://",
        "https://[::1",
        "ftp://api.checklyhq.com",
        "api.checklyhq.com",
        "https://schlüssel.example",
    ],
)
def test_an_address_that_could_mislead_the_key_is_refused_without_being_shown(tmp_path: Path, url: str) -> None:
    """The key goes wherever this says, so it says one thing only."""
    found = problems(tmp_path, environ={"CHECKLY_API_URL": url})

    assert [problem.split(":")[0] for problem in found] == ["CHECKLY_API_URL"]
    assert "hunter22" not in str(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "https://api.checklyhq.com/"},
        {"base_url": "https://checkly.example:8443/prefix/"},
        {"base_url": "http://127.0.0.1:8080"},
        {"base_url": "http://[::1]:8080"},
        {"base_url": "http://localhost"},
        {"proxy": "http://user:pass@proxy.example:3128"},
        {"ca_file": str(AUTHORITY)},
        {"timeout": "10m"},
        {"timeout": "1s"},
    ],
)
def test_a_way_to_checkly_that_is_accepted_is_one_that_can_be_taken(tmp_path: Path, changes: dict[str, str]) -> None:
    """The client's own guard has nothing to add."""
    ((name, value),) = changes.items()
    checkly = load(tmp_path, f'[checkly]\n{name} = "{value}"').checkly

    access = ChecklyAccess(
        api_key=SECRET,
        account_id=UUID(ACCOUNT_ID),
        base_url=checkly.base_url,
        ca_file=checkly.ca_file,
        proxy=checkly.proxy,
        timeout_s=checkly.timeout.total_seconds(),
    )

    assert not access.base_url.endswith("/")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('ca_file = "none.pem"', '"none.pem" cannot be read: No such file or directory'),
        ('ca_file = "/etc/hostname"', "holds no certificate in PEM form"),
        ('proxy = "socks5://proxy.example"', "must look like http://host:port"),
        ('proxy = "http://proxy.example/path"', "must look like http://host:port"),
        ('timeout = "11m"', "must be at least 1s and at most 10m"),
        ("requests_per_minute = 0", "must be at least 1"),
        ("requests_per_minute = 5.5", "must be a whole number, not a number"),
        ("requests_per_minute = true", "must be a whole number, not true or false"),
        ('account_id = "a4cd4ad948154a9e92d20a7c562ee69a"', "must be a UUID"),
    ],
)
def test_a_wrong_way_to_checkly_is_answered_with_what_is_wrong(tmp_path: Path, lines: str, sentence: str) -> None:
    """Before anything is sent."""
    (problem,) = problems(tmp_path, f"[checkly]\n{lines}")

    assert sentence in problem


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter22@h/d",
        "postgresql+psycopg2://u:hunter22@h/d",
        "postgresql://u:hunter22@h:port/d",
        "postgresql://u:hunter22@h h/d",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://hunter22.db",
        "sqlite:hunter22.db",
        "hunter22.db",
    ],
)
def test_a_database_that_cannot_keep_the_history_is_refused_without_being_shown(tmp_path: Path, url: str) -> None:
    """The URL may hold a password."""
    (problem,) = problems(tmp_path, f'[database]\nurl = "{url}"')

    assert problem.startswith("recorder.toml:2 database.url: ")
    assert "hunter22" not in problem


# The key


@pytest.mark.parametrize("key", ["two words", f"{SECRET}\n", f"{SECRET}\x7f", "schlüssel", "\t"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(tmp_path: Path, key: str) -> None:
    """A client that fails to send it would quote it."""
    (problem,) = problems(tmp_path, environ={"CHECKLY_API_KEY": key})

    assert problem.startswith("CHECKLY_API_KEY: holds a blank")
    assert key.strip() not in problem or not key.strip()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "must not be empty"),
        (b"\n", "must not be empty"),
        (SECRET.encode() + b"\n\n", "holds a blank"),
        (b"schl\xc3\xbcssel", "holds a blank"),
        (b"\xff\xfe\x00", "holds a blank"),
    ],
)
def test_a_key_file_with_something_else_in_it_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    """The place is the variable that names the file."""
    file = tmp_path / "key"
    file.write_bytes(content)

    (problem,) = problems(tmp_path, environ={"CHECKLY_API_KEY_FILE": str(file)})

    assert problem.startswith("CHECKLY_API_KEY_FILE: ")
    assert sentence in problem


def test_a_key_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """Missing, or a folder: silence would look like "no key"."""
    missing, folder = {"CHECKLY_API_KEY_FILE": str(tmp_path / "none")}, {"CHECKLY_API_KEY_FILE": "/"}

    assert problems(tmp_path, environ=missing)[0].endswith('none" cannot be read: No such file or directory')
    assert problems(tmp_path, environ=folder) == ['CHECKLY_API_KEY_FILE: "/" cannot be read: Is a directory']


def test_a_key_and_a_key_file_together_are_refused(tmp_path: Path) -> None:
    """Whichever won, somebody would have meant the other."""
    environ = {"CHECKLY_API_KEY": SECRET, "CHECKLY_API_KEY_FILE": "/dev/null"}

    assert problems(tmp_path, environ=environ) == [
        "CHECKLY_API_KEY_FILE: is set and CHECKLY_API_KEY too: unset one of them"
    ]


@pytest.mark.parametrize(
    "text",
    [
        f'[checkly]\napi_key = "{SECRET}"',
        f'[checkly]\nApiKey = "{SECRET}"',
        f'[checkly]\ntoken = "{SECRET}"',
        f'api-key = "{SECRET}"',
        f'[[schedules]]\nsecret = "{SECRET}"',
        f'[checkly.nested]\nkey = "{SECRET}"',
        f'checkly = "{SECRET}"',
        f'[checkly]\naccount_id = "{SECRET}"',
        f'[checkly]\nbase_url = "{SECRET}"',
        f'[checkly]\napi_version = "{SECRET}"',
        f"[checkly]\napi_key = {SECRET}",
    ],
)
def test_a_key_in_the_file_is_refused_and_never_shown(tmp_path: Path, text: str) -> None:
    """Under whatever name it was written, and also where it is no valid value."""
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, text)

    assert SECRET not in f"{refusal.value!r} {refusal.value.__cause__!r} {refusal.value.__context__!r}"


def test_a_key_in_the_file_is_told_where_it_belongs(tmp_path: Path) -> None:
    """Under a variable of the recorder's own it is no better."""
    found = problems(tmp_path, '[checkly]\ntoken = "x"', {"RECORDER_CHECKLY_API_KEY": "x"})

    assert found == [
        "recorder.toml:2 checkly.token: a key has no place in this file: set CHECKLY_API_KEY or CHECKLY_API_KEY_FILE",
        "RECORDER_CHECKLY_API_KEY: is not read: the API key belongs in CHECKLY_API_KEY",
    ]


def test_neither_the_key_nor_a_password_is_in_the_repr_of_the_settings(tmp_path: Path) -> None:
    """Tracebacks with local variables show it."""
    text = '[checkly]\nproxy = "http://u:hunter22@proxy:1"\n[database]\nurl = "postgresql://u:hunter22@h/d"'
    settings = load(tmp_path, text, {"CHECKLY_API_KEY": SECRET})

    assert SECRET not in repr(settings)
    assert "hunter22" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[schedules]\nname = 'x'",
            "recorder.toml:1 schedules: must be a list of tables (write [[schedules]], two brackets)",
        ),
        ("schedules = [3]", "recorder.toml:1 schedules[0]: must be a table (write [[schedules]]), not a number"),
        ("[[checkly]]", "recorder.toml:1 checkly: must be a table (write [checkly]), not a list"),
        ("database = 'x.db'", "recorder.toml:1 database: must be a table (write [database]), not a text"),
        ("[[schedules]]\nevery = '5m'\nmatch_tags = [['a']]", "recorder.toml:1 schedules[0]: name is missing"),
        ("source = 'x'", 'recorder.toml:1 source: unknown key "source"'),
        ("_env_file = 'x'", 'recorder.toml:1 _env_file: unknown key "_env_file"'),
        ("[reports]\nurl = 'x'", 'recorder.toml:2 reports.url: unknown key "url" here: it belongs in [database]'),
    ],
)
def test_a_file_of_another_shape_is_told_the_shape(tmp_path: Path, text: str, line: str) -> None:
    """Brackets are what people get wrong first."""
    (problem,) = problems(tmp_path, text)

    assert problem.startswith(line)


# Warnings and definitions


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("", "there are no schedules: nothing is triggered by itself"),
        (
            schedule(f'match_tags = [["a"]]\ncheck_ids = ["{CHECK_ID}"]'),
            "match_tags and check_ids are both sent, but Checkly does not document how they combine",
        ),
        (schedule('match_tags = [["a"], ["!b"]]'), '["!b"] only excludes: it runs every other check of the account'),
        (schedule('match_tags = [["a", "!a"]]'), '["a", "!a"] wants a tag and excludes it: it can match nothing'),
        (schedule("run_everything = true"), "run_everything runs every check of the account"),
        (schedule('match_tags = [["a"]]\ntimezone = "Asia/Tokyo"'), "timezone has no effect on every"),
        (schedule('match_tags = [["a"]]\nexpect_locations = ["eu-centrl-1", "office"]'), '"eu-central-1" is one'),
        (
            "[checkly]\nrequests_per_minute = 601\n" + schedule('match_tags = [["a"]]'),
            "requests_per_minute is above 600",
        ),
    ],
)
def test_what_is_allowed_but_doubtful_is_a_warning(tmp_path: Path, text: str, warning: str) -> None:
    """It is said once, and the settings hold."""
    (said,) = warnings_for(load(tmp_path, text))

    assert warning in said


def test_there_is_nothing_to_warn_about_in_an_ordinary_configuration(tmp_path: Path) -> None:
    """Or nobody would read the warnings."""
    assert warnings_for(load(tmp_path, DESIGN)) == []


def test_the_definition_of_a_schedule_does_not_depend_on_how_it_was_written(tmp_path: Path) -> None:
    """Two daemons with the same schedule agree, whatever the order of keys and the units."""
    one = load(tmp_path, schedule('match_tags = [["a"]]\njitter = "60s"\nmisfire = "run_once"')).schedules[0]
    other = load(tmp_path, '[[schedules]]\nmatch_tags=[["a"]]\njitter="1m"\nevery="600s"\nname="checkout"').schedules[0]

    assert definition(one) == definition(other)
    assert definition(one) == (
        '{"cancel_on_timeout":false,"check_ids":[],"cron":null,"every":"10m","expect_locations":[],"jitter":"1m",'
        '"match_tags":[["a"]],"misfire":"run_once","misfire_grace":"5m","name":"checkout","overlap":"skip",'
        '"paused":false,"refresh_cache":false,"run_everything":false,"session_timeout":"1h","timezone":"UTC"}'
    )


def test_a_schedule_built_in_code_is_checked_like_one_of_the_file() -> None:
    """Nothing reaches the daemon without a target."""
    with pytest.raises(ValueError, match="has no target"):
        ScheduleSettings(name="x", every=timedelta(minutes=1))
