"""Use case: write many things in one transaction; when the tables refuse one, only that one stays behind."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from recorder.db import transact
from recorder.errors import DatabaseError

BATCH: Final = 500
"""How many sessions a transaction holds; more would save little and hold other writers back for longer."""

T = TypeVar("T")
R = TypeVar("R")


def write_together(
    engine: Engine,
    items: Sequence[T],
    write: Callable[[Session, Sequence[T]], R],
    *,
    on_poison: Callable[[T, DatabaseError], None],
) -> list[R]:
    """Write all items in one transaction, or, when the tables refuse that, each in one of its own.

    `on_poison` gets each item that is refused even alone. Returns what `write` returned, once for each transaction.
    Raises DatabaseError when it is the database that fails, and not a row: then nothing of the transaction is written,
    and the same items may be written again.
    """
    if not items:
        return []
    try:
        return [transact(engine, lambda db: write(db, items))]
    except DatabaseError as error:
        if not is_refused_row(error):
            raise
        if len(items) == 1:
            on_poison(items[0], error)
            return []
    return [done for item in items for done in write_together(engine, [item], write, on_poison=on_poison)]


def is_refused_row(error: DatabaseError) -> bool:
    """Whether the tables refused a value, as opposed to a database that is away, full or read-only."""
    return isinstance(error.__cause__, DataError | IntegrityError)
