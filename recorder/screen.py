"""What commands print: tables and JSON for machines on stdout, words and progress for people on stderr."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table


def words() -> Console:
    """The console for people, on stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line for a person, on stderr; the text is shown as it stands."""
    words().print(escape(text))


def print_json(document: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=_plain) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout; control characters of hostile names are shown, never obeyed."""
    listed = [["" if value is None else show(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [list(columns), *listed]:
            sys.stdout.write("\t".join(row) + "\n")
        return
    table = Table(*columns, box=None, header_style="bold")
    for row in listed:
        table.add_row(*(escape(cell) for cell in row))
    Console(highlight=False).print(table)


def show(value: object) -> str:
    """A value as text on one line."""
    text = value if isinstance(value, str) else _plain(value)
    text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, default=_plain)
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


@contextmanager
def progress(title: str, total: float | None) -> Iterator[Progress]:
    """A progress display on stderr; `task` 0 is the only one. Nothing is drawn when nobody watches."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=words(),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        bar.add_task(escape(title), total=total)
        yield bar


def as_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows with values that JSON can hold."""
    return [{key: _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int | float | bool | list | dict):
        return value
    return str(value)
