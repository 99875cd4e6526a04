"""What is printed where: machine output on stdout, words on stderr, hostile text shown and never obeyed."""

import io
import json
import os
import pty
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from recorder.errors import RecorderError
from recorder.screen import counted, one_line, print_json, print_table, progress, put, say, show

INSTANT = datetime(2026, 11, 18, 11, 0, 0, 120_000, tzinfo=UTC)
HOSTILE = "a\x1b[2Jb\tc\r\nd\0e\u202ef\u2028g\ud800h"

Captured = pytest.CaptureFixture[str]


def printed(capsys: Captured, document: Any) -> Any:
    print_json(document)
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.25, 0.25),
        ("text", "text"),
        (INSTANT, "2026-11-18T11:00:00.120Z"),
        (INSTANT.astimezone(timezone(timedelta(hours=2))), "2026-11-18T11:00:00.120Z"),
        (INSTANT.replace(tzinfo=None), "2026-11-18T11:00:00.120"),
        (date(2026, 11, 18), "2026-11-18"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal(41), 41),
        (Decimal("0.975000"), 0.975),
        (Decimal("1.000000"), 1.0),
        (Decimal("NaN"), "NaN"),
        (float("inf"), "inf"),
        (b"\x00\xff", "00ff"),
        ((1, [INSTANT], {"at": INSTANT}), [1, ["2026-11-18T11:00:00.120Z"], {"at": "2026-11-18T11:00:00.120Z"}]),
        (HOSTILE.replace("\ud800", ""), HOSTILE.replace("\ud800", "")),
    ],
)
def test_json_is_valid_and_has_one_word_for_each_value(capsys: Captured, value: Any, expected: Any) -> None:
    """Whatever a database hands out; times are UTC, and numbers are numbers."""
    found = printed(capsys, {"value": value})["value"]

    assert found == expected
    assert type(found) is type(expected)


def test_json_goes_to_stdout_alone(capsys: Captured) -> None:
    print_json([])

    assert capsys.readouterr() == ("[]\n", "")


def test_a_table_is_separated_by_tabs_where_nobody_watches(capsys: Captured) -> None:
    """One line for each row whatever it holds; unknown is empty, times are written as SQL compares them."""
    print_table(("name", "at", "n"), [(HOSTILE, INSTANT, None), (["a", "b"], False, 0)])

    out, err = capsys.readouterr()
    assert err == ""
    assert out.split("\n") == [
        "name\tat\tn",
        r"a\x1b[2Jb\tc\r\nd\x00e\u202ef\u2028g\ud800h" + "\t2026-11-18 11:00:00.120\t",
        '["a", "b"]\tfalse\t0',
        "",
    ]


def test_a_table_without_rows_has_its_head(capsys: Captured) -> None:
    print_table(("a", "b"), [])

    assert capsys.readouterr().out == "a\tb\n"


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, *streams: str) -> Iterator[Callable[[], str]]:
    """Make these streams a terminal while the block runs, and give what it shows.

    No fixture: pytest puts its own streams back between a fixture and the test.
    """
    ours, theirs = pty.openpty()
    with monkeypatch.context() as patch, os.fdopen(theirs, "w") as screen:
        patch.setenv("COLUMNS", "60")
        patch.setenv("TERM", "xterm")
        for stream in streams:
            patch.setattr(sys, stream, screen)
        yield lambda: os.read(ours, 65536).decode()
    os.close(ours)


def test_a_table_is_aligned_on_a_terminal_and_obeys_no_markup_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Square brackets of a name are no style, and no control character gets through."""
    with terminal(monkeypatch, "stdout") as shown:
        print_table(("name", "n"), [("[red]checkout[/red]\x1b[2J", 1), ("x", 22)])
        text = shown()

    assert "[red]checkout[/red]\\x1b[2J" in text
    assert "\x1b[2J" not in text
    assert "\t" not in text


def test_a_terminal_shows_progress_with_what_is_said_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Titles and words as they stand."""
    with terminal(monkeypatch, "stderr") as shown:
        with progress("importing [all]", 2) as bar:
            bar.update(bar.task_ids[0], completed=1)
            say("line 3: [bold]oops[/bold]")
        text = shown()

    assert "importing [all]" in text
    assert "line 3: [bold]oops[/bold]" in text


def test_a_table_goes_to_its_file_while_the_terminal_shows_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine output never ends up between the drawings."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)

    with terminal(monkeypatch, "stderr"), progress("following", 1):
        print_table(("a",), [("b",)])

    assert out.getvalue() == "a\nb\n"


def test_no_progress_is_drawn_where_nobody_watches(capsys: Captured) -> None:
    """A log file of a job holds words, no drawings."""
    with progress("importing", 2) as bar:
        bar.update(bar.task_ids[0], completed=1)

    assert capsys.readouterr() == ("", "")


def test_words_go_to_stderr_one_line_each(capsys: Captured) -> None:
    """Control characters are shown; only a line break of ours breaks a line."""
    say("first \x1b[31mred\nsecond \rline")

    assert capsys.readouterr() == ("", "first \\x1b[31mred\nsecond \\rline\n")


def test_text_is_one_line_and_keeps_every_letter_of_every_script() -> None:
    assert one_line("Prüfung 检查 \N{GRINNING FACE} ok") == "Prüfung 检查 \N{GRINNING FACE} ok"
    assert one_line("a\nb\x7fc\x9bd") == r"a\nb\x7fc\x9bd"
    assert show(None) == ""


def test_a_reader_that_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`recorder query ... | head`: the rest is thrown away, and Python has nothing to complain about at its end."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        put("x" * 1_000_000)
        put("more")


def test_a_full_disk_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """`recorder query ... > file` must not look as if it had worked."""
    with open("/dev/full", "w") as stdout:  # noqa: PTH123 - a device
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(RecorderError, match="the output cannot be written: No space left on device"):
            put("x")


def test_one_is_counted_in_the_singular() -> None:
    assert [counted(number, "session") for number in (0, 1, 2)] == ["0 sessions", "1 session", "2 sessions"]
