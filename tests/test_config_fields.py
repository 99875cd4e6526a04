"""Which values are accepted: targets, addresses, databases; and that what is accepted can be used."""

from pathlib import Path
from uuid import UUID

import pytest

from recorder.access import ChecklyAccess
from recorder.targets import Target
from tests.configuring import ACCOUNT_ID, CHECK_ID, SECRET, load, problems, schedule
from tests.sockets import AUTHORITY


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
        "https://api.checklyhq.com\\.hunter22.example",
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


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_postgresql_is_always_reached_through_psycopg_3(tmp_path: Path, url: str) -> None:
    """SQLAlchemy would take psycopg2 for the plain name."""
    assert load(tmp_path, f'[database]\nurl = "{url}"').database.url == "postgresql+psycopg://u:p@h/d"


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


def delivery(lines: str) -> str:
    """A file with one delivery, whose keys begin on line 3."""
    return f'[[deliveries]]\ncron = "@weekly"\n{lines}\n'


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('name = "../up"', 'deliveries[0] "../up" name: "../up" cannot be the name of its folder'),
        ('name = "2026-W47"', "cannot be the name of its folder"),
        ('name = "Latest"', "cannot be the name of its folder"),
        ('name = "a"\nperiod = "daily"', 'deliveries[0] "a" period: must be "weekly" or "monthly"'),
        ('name = "a"\nkeep = 0', "keep: must be at least 1"),
        ('name = "a"\nnotify_from = "mailto://ann:hunter22@example.com"', "must be the name of a variable"),
        ('name = "a"\ncheck_ids = ["Checkout"]', "must be a UUID"),
        ('name = "a"\nmatch_tags = []', "match_tags: must not be empty: an empty list may stand for every check"),
        ('name = "a"\nmatch_tags = [["a"], []]', "match_tags[1]: must not be empty"),
        ('name = "a"\nmatch_tags = ["a"]', 'match_tags[0]: "a" stands alone: each group is a list, write [["a"]]'),
        ('name = "a"\nmatch_tags = [["!!a"]]', 'match_tags[0][0]: "!!a" is negated twice'),
        ('name = "a"\ntags = [["a"]]', 'unknown key "tags"'),
        ('name = "a"\njitter = "5s"', 'unknown key "jitter" here: it belongs in [[schedules]]'),
        ('name = "a"\n[[deliveries]]\nname = "A"\ncron = "@weekly"', "a delivery keeps its reports in a folder"),
    ],
)
def test_a_delivery_that_cannot_be_made_is_a_mistake_with_its_place(tmp_path: Path, lines: str, sentence: str) -> None:
    """And what may be a password is not quoted."""
    (found,) = problems(tmp_path, delivery(lines))

    assert found.startswith("recorder.toml:")
    assert sentence in found
    assert "hunter22" not in found


def test_deliveries_written_as_one_table_are_told_apart(tmp_path: Path) -> None:
    assert problems(tmp_path, '[deliveries]\nname = "a"\n') == [
        "recorder.toml:1 deliveries: must be a list of tables (write [[deliveries]], two brackets), not a table"
    ]


@pytest.mark.parametrize(
    "address", ["reports.example", "ftp://reports.example", "https://ann:hunter22@reports.example", "https://a/?b"]
)
def test_reports_are_published_at_a_plain_web_address(tmp_path: Path, address: str) -> None:
    (found,) = problems(tmp_path, f'[reports]\npublished_at = "{address}"\n')

    assert found == "recorder.toml:2 reports.published_at: must look like https://reports.example/checkly"
