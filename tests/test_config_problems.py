"""How mistakes are said: all at once, each with its place and what to do."""

from pathlib import Path

import pytest

from tests.configuring import SECRET, problems

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
        'recorder.toml:2 cron: unknown key "cron" here: it belongs in [[schedules]] or [[deliveries]]',
        "recorder.toml:4 checkly.api_key: a key has no place in this file: set CHECKLY_API_KEY or CHECKLY_API_KEY_FILE",
        'recorder.toml:5 checkly.api_verson: unknown key "api_verson"; did you mean "api_version"?',
        'recorder.toml:6 checkly.api_version: must be "v1" or "v2"',
        "recorder.toml:7 checkly.requests_per_minute: must be a whole number, not a text",
        'recorder.toml:8 checkly.timeout: must be a text with a unit, such as "30s"',
        (
            'recorder.toml:9 schedules[0] "Check  out": has no target: write match_tags = [["production"]] or '
            'check_ids = ["..."], or run_everything = true for every check of the account'
        ),
        'recorder.toml:11 schedules[0] "Check  out" match_tag: unknown key "match_tag"; did you mean "match_tags"?',
        'recorder.toml:12 schedules[0] "Check  out" every: must be at least 1s',
        (
            'recorder.toml:14 schedules[1] "check out" name: "check out" is taken by recorder.toml:10 schedules[0] '
            '"Check  out" name: a schedule keeps its history by its name'
        ),
        'recorder.toml:15 schedules[1] "check out" cron: cron "0 0 30 2 *" never fires: no month it names has that day',
        'recorder.toml:16 schedules[1] "check out" every: write exactly one of cron and every',
        'recorder.toml:18 schedules[1] "check out" match_tags[1][1]: "!" alone excludes no tag: write ! and the tag',
        (
            'recorder.toml:18 schedules[1] "check out" match_tags[2]: "bare" stands alone: each group is a list, '
            'write [["bare"]]'
        ),
        (
            'recorder.toml:19 schedules[1] "check out" match_tags[3]: must not be empty: an empty list may stand for '
            "every check of the account"
        ),
        (
            'recorder.toml:22 reports.timezone: "Europe/Berln" is no time zone: write an IANA name, as Europe/Berlin; '
            'did you mean "Europe/Berlin"?'
        ),
        'recorder.toml:23 reports.weekly: cron "monday" is not five fields: write minute hour day month weekday',
        "RECORDER_DATABSE_URL: is not read; did you mean RECORDER_DATABASE_URL?",
        "CHECKLY_ACCOUNT_ID: must be a UUID, as in a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a",
        'RECORDER_REPORTS_TIMEZON: unknown key "timezon"; did you mean "timezone"?',
    ]


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
        ('"a\\nb" = 1', 'recorder.toml:1 "a\\nb": unknown key "a\\nb": leave it out'),
        ("_env_file = 'x'", 'recorder.toml:1 _env_file: unknown key "_env_file"'),
        ("[reports]\nurl = 'x'", 'recorder.toml:2 reports.url: unknown key "url" here: it belongs in [database]'),
    ],
)
def test_a_file_of_another_shape_is_told_the_shape(tmp_path: Path, text: str, line: str) -> None:
    """Brackets are what people get wrong first."""
    (problem,) = problems(tmp_path, text)

    assert problem.startswith(line)
