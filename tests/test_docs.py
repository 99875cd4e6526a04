"""What the documentation shows is true: its queries and settings are run, its commands parsed, its tables compared."""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from sqlalchemy import Engine, inspect, text
from sqlalchemy.orm import Session

from recorder import cli, inspecting, views
from recorder.config import load_settings
from recorder.durations import format_duration
from recorder.errors import RecorderError
from recorder.excluding import Span, add_exclusion
from recorder.ledger import Reason
from recorder.models import FIRE_STATES, Fire, Schedule
from recorder.outcomes import BACKFILLED
from recorder.settings import (
    ChecklySettings,
    DatabaseSettings,
    DeliverySettings,
    ReportSettings,
    ScheduleSettings,
    ThresholdSettings,
)
from reports import columns
from tests import factories, past
from tests.past import MONDAY, session

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
SECTIONS: dict[str, type[BaseModel]] = {
    "[checkly]": ChecklySettings,
    "[database]": DatabaseSettings,
    "[[schedules]]": ScheduleSettings,
    "[reports]": ReportSettings,
    "[[deliveries]]": DeliverySettings,
    "[thresholds]": ThresholdSettings,
}
FENCE = re.compile(r"^```([a-z ]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXCLUDED_SESSION = "a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """(words after the language, content) of each fenced block of a language."""
    found = FENCE.findall(page)
    return [(words.removeprefix(language).strip(), body) for words, body in found if words.split()[0] == language]


def tables_under(page: str, heading: str) -> dict[str, list[list[str]]]:
    """The cells of every table row under each heading of the form `## `name``, the header left out."""
    found: dict[str, list[list[str]]] = {}
    for section in re.split(rf"^{heading} ", page, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        body = re.split(r"^#", body, maxsplit=1, flags=re.MULTILINE)[0]
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in body.splitlines() if line.startswith("| ")]
        found[title.strip("` ")] = [[cell.strip() for cell in row] for row in rows[1:]]
    return {title: rows for title, rows in found.items() if rows}


def first_cells(page: str, heading: str) -> dict[str, list[str]]:
    return {title: [row[0].strip("`") for row in rows] for title, rows in tables_under(page, heading).items()}


SQL = [*blocks(read("docs/sql.md"), "sql"), *((kind, sql) for kind, sql in blocks(read("README.md"), "sql"))]
QUERIES = [
    pytest.param(database, sql, id=f"{number}-{database}")
    for number, (kind, sql) in enumerate((one for one in SQL if "write" not in one[0]), 1)
    for database in ("sqlite", "postgresql")
    if kind in {"", database}
]
"""Each query with each database it is meant for: both, when no word stands behind `sql`."""


@pytest.fixture
def recorded(engine: Engine) -> Engine:
    """A history in which every question of docs/sql.md has an answer."""
    with Session(engine) as db, db.begin():
        schedule = Schedule(name="prod", definition="{}", cursor=MONDAY, created_at=MONDAY)
        db.add(schedule)
        db.flush()
        for hour, state in enumerate(("triggered", "missed", "ambiguous")):
            instant = MONDAY + timedelta(hours=hour)
            how = {"origin": "schedule", "scheduled_for": instant, "not_before": instant, "state": state}
            db.add(Fire(schedule_pk=schedule.pk, **how))
    places = ("eu", "us")
    steady = [session(hour, dict.fromkeys(places, "pass")) for hour in range(24)]
    split = session(24, {"eu": "pass", "us": "fail"}, retried=["us"])
    recovered = session(25, dict.fromkeys(places, "pass"), retried=["eu"])
    failing = session(26, dict.fromkeys(places, "fail"))
    timed = [{**one, "results": [{**r, "responseTime": 120.5} for r in one["results"]]} for one in steady]
    factories.record(engine, *timed, split, recovered, failing)
    factories.open_session(engine)
    past.record(engine, [{**session(27, dict.fromkeys(places, "fail")), "status": BACKFILLED}], origin="backfill")
    add_exclusion(engine, Span(MONDAY, MONDAY + timedelta(hours=1)), reason="maintenance", who="ann@desk")
    return engine


def test_there_are_queries_to_start_from() -> None:
    assert len(QUERIES) >= 2 * 12


@pytest.mark.parametrize(("database", "sql"), QUERIES, indirect=["database"])
def test_a_documented_query_finds_something(sql: str, recorded: Engine) -> None:
    """Only what asks for the last days may find nothing in a history of fixed dates."""
    columns, rows = inspecting.query(recorded, sql)

    assert len(set(columns)) == len(columns) > 0
    assert rows or "now" in sql


def test_the_documented_statement_takes_a_session_out_of_the_rates(engine: Engine) -> None:
    changes = {kind.split()[0]: sql for kind, sql in SQL if "write" in kind}
    factories.record(engine, factories.session(checkSessionId=EXCLUDED_SESSION))
    assert factories.rows(engine, "SELECT SUM(n) FROM daily_pass_rate") == [(2,)]

    with engine.begin() as connection:
        assert connection.execute(text(changes[engine.dialect.name])).rowcount == 1

    assert factories.rows(engine, "SELECT * FROM daily_pass_rate") == []


def test_every_view_is_documented_with_its_columns_in_their_order(engine: Engine) -> None:
    """The page is the promise: both databases keep it, so a script may rely on it."""
    found = {view: [column["name"] for column in inspect(engine).get_columns(view)] for view in views.VIEWS}

    assert first_cells(read("docs/sql.md"), "###") == found


def test_every_csv_file_is_documented_with_its_columns_in_their_order() -> None:
    documented = first_cells(read("docs/reports.md"), "###")

    assert documented == {f"{name}.csv": list(columns) for name, columns in columns.COLUMNS.items()}


def default_of(model: type[BaseModel], key: str) -> str:
    """A default as it would be written in the file."""
    default: Any = model.model_fields[key].default
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, timedelta):
        return f'`"{format_duration(default)}"`'
    if isinstance(default, str | Path):
        return f'`"{default}"`'
    return f"`{list(default) if isinstance(default, tuple) else default}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_of_the_configuration_is_documented_with_its_default(section: str) -> None:
    model = SECTIONS[section]
    rows = tables_under(read("docs/configuration.md"), "##")[section]

    keys = [key for key in model.model_fields if key != "api_key"]
    assert [(row[0], row[1]) for row in rows] == [(f"`{key}`", default_of(model, key)) for key in keys]


def test_every_documented_variable_sets_its_key(tmp_path: Path) -> None:
    """Each variable of the tables is set alone, to what its key has by default or to an example."""
    examples = {
        "account_id": EXCLUDED_SESSION,
        "ca_file": str(ROOT / "tests" / "certificates" / "authority.pem"),
        "proxy": "http://proxy.example:3128",
        "spool": "kept",
        "weekly": "0 7 * * 1",
        "notify_from": "TEAM_URLS",
        "published_at": "https://reports.example/",
    }
    for section in ("[checkly]", "[database]", "[reports]"):
        for key, default, variables, _ in tables_under(read("docs/configuration.md"), "##")[section]:
            name, value = key.strip("`"), examples.get(key.strip("`"), default.strip('`"'))
            for variable in re.findall(r"`(\w+)`", variables):
                settings = load_settings(None, environ={variable: value}, cwd=tmp_path)
                part = getattr(settings, section.strip("[]"))
                assert name in part.model_fields_set, variable


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_configuration_shown_is_valid(page: Path, tmp_path: Path) -> None:
    for _, body in blocks(page.read_text(encoding="utf-8"), "toml"):
        file = tmp_path / "recorder.toml"
        file.write_text(body, encoding="utf-8")
        assert load_settings(file, environ={}, cwd=tmp_path).schedules


def shown_commands(page: Path) -> Iterator[list[str]]:
    """The words of each `recorder ...` in the page's shell examples, pipes and comments cut off."""
    for _, body in blocks(page.read_text(encoding="utf-8"), "sh"):
        for line in body.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split, command = True, list[str]()
            for word in [*lexer, ";"]:
                if word[0] not in "|&;<>":
                    command.append(word)
                    continue
                if command and Path(command[0]).name == "recorder":
                    yield command[1:]
                command = []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shown_exists_with_its_options(page: Path) -> None:
    """Parsed by the command line itself, not run."""
    for words in shown_commands(page):
        command: Any = typer.main.get_command(cli.app)
        while words and words[0] in getattr(command, "commands", {}):
            command, words = command.commands[words[0]], words[1:]  # noqa: PLW2901 - walking down to the verb
        command.make_context("recorder", words).close()


def test_commands_are_found_in_the_pages() -> None:
    """So that the test above compares something."""
    verbs = {words[0] for page in PAGES for words in shown_commands(page)}

    assert verbs >= {"demo", "init", "check-config", "plan", "trigger", "run", "import", "report", "query", "status"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files of the checkout, and headings inside a page."""
    text_ = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text_):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}, target


def test_every_exit_code_is_documented() -> None:
    """Those of the errors, and 0 and 130 besides."""
    documented = {int(row[0]) for row in tables_under(read("docs/operations.md"), "##")["Exit codes"]}

    assert documented == {0, 130} | {error.exit_code for error in error_classes(RecorderError)}


def error_classes(error: type[RecorderError]) -> Iterator[type[RecorderError]]:
    yield error
    for derived in error.__subclasses__():
        yield from error_classes(derived)


def test_every_state_and_reason_of_a_fire_is_documented() -> None:
    """The list is closed, so that people can count by it."""
    rows = tables_under(read("docs/operations.md"), "##")["What became of a fire"]
    reasons = [reason for row in rows for reason in re.findall(r"`(\w+)`", row[1])]

    assert [row[0].strip("`") for row in rows] == list(FIRE_STATES)
    assert sorted(reasons) == sorted(Reason)


def test_the_version_is_in_the_changelog() -> None:
    version = re.search(r'^version = "(.+)"$', read("pyproject.toml"), re.MULTILINE)

    assert version
    assert f"## [{version[1]}]" in read("CHANGELOG.md")


def test_ids_in_examples_are_ids() -> None:
    """A placeholder that looks like an id and is none would be copied."""
    for page in PAGES:
        for found in re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", page.read_text(encoding="utf-8")):
            assert str(UUID(found)) == found
