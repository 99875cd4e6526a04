"""What commands print: tables and JSON for machines on stdout, words and progress for people on stderr.

Times are UTC. Tables write them as SQL compares them, 2026-11-22 05:06:07.123; JSON writes 2026-11-22T05:06:07.123Z.
"""

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from recorder.errors import RecorderError


def say(text: str) -> None:
    """Lines for a person, on stderr, above a progress display; the text is shown as it stands."""
    sys.stderr.write("".join(f"{one_line(line)}\n" for line in text.split("\n")))
    sys.stderr.flush()


def put(text: str) -> None:
    """Lines for a machine, on stdout; a reader that has gone (`recorder query ... | head`) is no error.

    Raises RecorderError when they cannot be written, on a full disk.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python fails once more when it leaves
        if not isinstance(error, BrokenPipeError):
            raise RecorderError(f"the output cannot be written: {error.strerror}") from error


def print_json(document: object) -> None:
    """One JSON document on stdout. What JSON has no word for is text: infinity is "inf", bytes are hexadecimal."""
    has_every_letter = (sys.stdout.encoding or "").lower() in {"utf-8", "utf8"}
    put(json.dumps(_plain(document), indent=2, ensure_ascii=not has_every_letter, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout, aligned on a terminal, separated by tabs elsewhere; empty cells are unknown (NULL)."""
    listed = [[show(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        put("\n".join("\t".join(row) for row in [[show(column) for column in columns], *listed]))
        return
    table = Table(*(escape(show(column)) for column in columns), box=None, header_style="bold")
    for row in listed:
        table.add_row(*(escape(cell) for cell in row))
    Console(highlight=False).print(table)


def show(value: object) -> str:
    """A value as text on one line; control characters of hostile names are shown, never obeyed."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        instant = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return instant.isoformat(sep=" ", timespec="milliseconds")
    plain = _plain(value)
    return one_line(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))


def counted(number: int, thing: str) -> str:
    """`1 session`, `2 sessions`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def one_line(text: str) -> str:
    """The text with every character that a terminal would obey written as an escape."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


@contextmanager
def progress(title: str, total: float | None) -> Iterator[Progress]:
    """A progress display on stderr; task 0 is the only one. Nothing is drawn when nobody watches."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True, highlight=False),
        transient=True,
        redirect_stdout=False,  # machine output goes where it was sent
        disable=not sys.stderr.isatty(),
    )
    with bar:
        bar.add_task(escape(title), total=total)
        yield bar


def _plain(value: Any) -> Any:
    """The value in words of JSON."""
    match value:
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case None | str() | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case _:
            return _number(value) if isinstance(value, Decimal) else _words(value)


def _number(value: Decimal) -> int | float | str:
    """What PostgreSQL calls numeric, as SQLite has it: sums are whole, ratios are not."""
    if not value.is_finite():
        return str(value)
    return int(value) if value.as_tuple().exponent == 0 else float(value)


def _words(value: object) -> str:
    if isinstance(value, datetime):
        instant = value if value.tzinfo is None else value.astimezone(UTC)
        return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.hex() if isinstance(value, bytes) else str(value)
