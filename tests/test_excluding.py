"""Exclusions as rows: written once, taken back once, never gone; and the verb that does it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from recorder.errors import UsageError
from recorder.excluding import Span, add_exclusion, remove_exclusion
from recorder.inspecting import list_exclusions
from tests import past
from tests.commands import command, one_line
from tests.factories import CHECK_ID, NOW, dump, record, rows, session

HOUR = timedelta(hours=1)
SPAN = Span(NOW, NOW + HOUR)


def add(engine: Engine, span: Span = SPAN, reason: str = "maintenance") -> int:
    return add_exclusion(engine, span, reason=reason, who="ann@desk", now=lambda: NOW)


def test_an_exclusion_says_who_when_and_why(engine: Engine) -> None:
    """The same columns on both databases; what is not narrowed is empty."""
    record(engine, session())

    number = add(engine, Span(NOW, NOW + HOUR, "Checkout", "us-east-1"), "  router replaced ")
    add(engine, Span(NOW - HOUR, NOW))

    everything, one = list_exclusions(engine, removed_too=False)
    assert one == {
        "exclusion_id": number,
        "starts_at": NOW,
        "ends_at": NOW + HOUR,
        "check_id": CHECK_ID,
        "check_name": "Checkout",
        "run_location": "us-east-1",
        "reason": "router replaced",
        "created_at": NOW,
        "created_by": "ann@desk",
        "removed_at": None,
        "removed_by": None,
    }
    assert [everything[name] for name in ("check_id", "check_name", "run_location")] == [None, None, None]


def test_excluding_and_taking_back_change_no_row_of_the_history(engine: Engine) -> None:
    """And the exclusion itself stays, with who took it back."""
    record(engine, session(status="FAILED"))
    before = dump(engine)

    number = add(engine, Span(NOW - timedelta(days=1), NOW))
    remove_exclusion(engine, number, who="bob@desk", now=lambda: NOW + HOUR)

    assert dump(engine) == before
    assert list_exclusions(engine, removed_too=False) == []
    (kept,) = list_exclusions(engine, removed_too=True)
    assert (kept["created_by"], kept["removed_by"], kept["removed_at"]) == ("ann@desk", "bob@desk", NOW + HOUR)


def test_an_exclusion_is_taken_back_once(engine: Engine) -> None:
    """The second person learns that it is gone, and the first one's name stays."""
    number = add(engine)
    remove_exclusion(engine, number, who="bob@desk", now=lambda: NOW)

    with pytest.raises(UsageError, match=f"no exclusion {number} that holds"):
        remove_exclusion(engine, number, who="eve@desk")

    assert rows(engine, "SELECT removed_by FROM exclusions") == [("bob@desk",)]


def test_a_check_may_be_named_by_its_id_in_any_case(engine: Engine) -> None:
    """As Checkly shows it, or as somebody shouted it."""
    record(engine, session())

    add(engine, Span(NOW, NOW + HOUR, CHECK_ID.upper()))

    assert [one["check_name"] for one in list_exclusions(engine, removed_too=False)] == ["Checkout"]


@pytest.mark.parametrize(
    ("span", "sentence"),
    [
        (Span(NOW, NOW + HOUR, "Chekout"), r'--check "Chekout" is no recorded check; did you mean "Checkout"\?'),
        (Span(NOW, NOW + HOUR, run_location="us-east-2"), r'"us-east-2" is no recorded run location; did you mean'),
        (Span(NOW, NOW + HOUR, run_location="cellar"), r'"cellar" is no recorded run location: nothing has run there'),
    ],
)
def test_what_is_not_recorded_cannot_be_excluded(engine: Engine, span: Span, sentence: str) -> None:
    """A misspelt name would exclude nothing, and nobody would notice."""
    record(engine, session())

    with pytest.raises(UsageError, match=sentence):
        add(engine, span)

    assert list_exclusions(engine, removed_too=True) == []


def test_a_name_that_two_checks_share_asks_for_an_id(engine: Engine) -> None:
    other = "b0b4bd4a-4815-4a9e-92d2-0a7c562ee69a"
    record(engine, session(), session("two", checkId=other))

    with pytest.raises(UsageError, match=rf"names 2 checks: give one of the ids {CHECK_ID}, {other}"):
        add(engine, Span(NOW, NOW + HOUR, "Checkout"))


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [(" ", "--reason must not be empty; it stands"), ("a\udcffb", "holds a control character"), ("a\x00b", "holds a")],
)
def test_a_reason_that_nobody_can_read_or_no_database_can_hold_is_refused(
    engine: Engine, reason: str, sentence: str
) -> None:
    """Bytes of a terminal that are no text, say."""
    with pytest.raises(UsageError, match=sentence):
        add(engine, reason=reason)


def test_the_database_itself_refuses_a_span_that_ends_before_it_begins(engine: Engine) -> None:
    """Also when somebody writes the row by hand."""
    add(engine)

    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("UPDATE exclusions SET ends_at = starts_at"))


def test_the_verb_adds_lists_and_removes(tmp_path: Path) -> None:
    """Times without an offset are those of the reports' zone; the list is a table, or JSON in UTC."""
    (tmp_path / "recorder.toml").write_text('[reports]\ntimezone = "Europe/Berlin"\n')
    (tmp_path / "sessions.json").write_text(json.dumps(past.hourly(["pass", "fail"])))
    assert command("import", "sessions.json", folder=tmp_path).code == 0
    span = ("--from", "2026-11-16T02:00", "--to", "2026-11-16T03:00")

    added = command("exclude", "add", *span, "--check", "Checkout", "--reason", "moved racks", folder=tmp_path)
    listed = command("exclude", "list", "--json", folder=tmp_path)
    report = command("report", "weekly", "--week", "2026-W47", "--json", folder=tmp_path)
    removed = command("exclude", "remove", "1", folder=tmp_path)
    table = command("exclude", "list", "--all", folder=tmp_path)

    assert one_line(added) == (
        "exclusion 1: Checkout from every location, 2026-11-16 02:00:00 CET to 2026-11-16 03:00:00 CET"
    )
    assert [one["starts_at"] for one in listed.json] == ["2026-11-16T01:00:00.000Z"]
    figures = ("session_pass_rate", "session_pass_rate_adjusted", "exclusions")
    assert [report.json[name] for name in figures] == [0.5, 1.0, 1]
    assert one_line(removed).startswith("exclusion 1: removed by ")
    assert dict(zip(*table.table, strict=True))["reason"] == "moved racks"
    assert command("exclude", "list", folder=tmp_path).table[1:] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--from", "2026-11-17", "--to", "2026-11-16"), "the window is empty"),
        (("--from", "monday", "--to", "2026-11-16"), "--from 'monday' is neither an ISO date"),
        (("--from", "2026-11-16", "--to", "2026-11-17", "--check", "?"), '--check "?" is no recorded check'),
    ],
)
def test_what_cannot_be_excluded_is_said_in_one_line(tmp_path: Path, words: tuple[str, ...], sentence: str) -> None:
    assert command("db", "upgrade", folder=tmp_path).code == 0

    done = command("exclude", "add", *words, "--reason", "x", folder=tmp_path)

    assert done.code == 2
    assert sentence in one_line(done)
