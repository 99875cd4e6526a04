"""Use case: write many things in one transaction; when the tables refuse one, only that one stays behind."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.orm import Session

from recorder.db import transact
from recorder.errors import DatabaseError

BATCH: Final = 500
"""How many sessions a transaction holds; more would save little and hold other writers back for longer."""
_REFUSED_CLASSES: Final = {"22", "23", "P0"}
"""SQLSTATE: data exception, integrity constraint violation, raised by a trigger. Source: PostgreSQL, appendix A."""
_OF_ANOTHER_TYPE: Final = "42804"
_UNBINDABLE: Final = ("binding parameter", "cannot adapt type")
"""What sqlite3 and psycopg say of a value that they have no form for."""

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

    `on_poison` gets each item that is refused even alone, or that no row can be made of. Returns what `write` returned,
    once for each transaction. Raises DatabaseError when it is the database that fails, and not a row: then nothing of
    the transaction is written, and the same items may be written again.
    """
    if not items:
        return []
    try:
        return [transact(engine, lambda db: write(db, items))]
    except DatabaseError as error:
        if not is_refused_row(error):
            raise
        refusal = error
    except Exception as error:  # noqa: BLE001 - a value that nobody foresaw must not end the thread that writes
        refusal = DatabaseError(f"no row can be made of it: {type(error).__name__}: {error}")
    if len(items) == 1:
        on_poison(items[0], refusal)
        return []
    return [done for item in items for done in write_together(engine, [item], write, on_poison=on_poison)]


def is_refused_row(error: DatabaseError) -> bool:
    """Whether the tables or the driver refused a value, as opposed to a database that is away, full or read-only."""
    cause = error.__cause__
    if isinstance(cause, DataError | IntegrityError):
        return True
    if not isinstance(cause, DBAPIError):
        return isinstance(cause, StatementError)  # SQLAlchemy could make no parameter of it
    state = getattr(cause.orig, "sqlstate", None)
    if state is not None:
        return state[:2] in _REFUSED_CLASSES or state == _OF_ANOTHER_TYPE
    return any(words in str(cause.orig) for words in _UNBINDABLE)
