"""How values stand in columns: instants, UUIDs, keys and durations, the same meaning on SQLite and PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, Double, Integer, LargeBinary, Numeric, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from recorder.clock import floor_to_ms

MILLISECONDS: Final[Double[float]] = Double().with_variant(Numeric(asdecimal=False), "sqlite")
"""A duration that may have a fraction; SQLite stores and shows a whole one as an integer, in fewer bytes."""
Key: Final = BigInteger().with_variant(Integer(), "sqlite")
"""An integer key: on SQLite the rowid itself."""
_FLAGS: Final = {None: None, False: 0, True: 1}
_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant in milliseconds; a naive datetime is refused where it would be written.

    PostgreSQL: `timestamptz(3)`. SQLite: text "2026-11-22 05:06:07.123", which sorts, is indexed, compares with
    `datetime('now', '-7 days')` and is readable in any SQLite browser.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, a timestamp with time zone elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(23))
        return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True, precision=3))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Raises ValueError for a naive datetime."""
        return self.bind_column([value], dialect)[0]

    def bind_column(self, values: Sequence[datetime | None], dialect: Dialect) -> list[Any]:
        """A whole column at once; what is the same in all rows is turned into its form once."""
        if len(values) > 1 and values[0] == values[-1] and values.count(values[0]) == len(values):
            return self.bind_column(values[:1], dialect) * len(values)
        return self._forms(values, dialect)

    def _forms(self, values: Sequence[datetime | None], dialect: Dialect) -> list[Any]:
        floored = [None if value is None else floor_to_ms(value) for value in values]
        if dialect.name != "sqlite":
            return floored
        # the 24th character begins the offset
        return [None if value is None else value.isoformat(" ", "milliseconds")[:23] for value in floored]

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Always aware and in UTC."""
        if value is None:
            return None
        instant: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


class CompactInstant(UtcDateTime):
    """The same, for columns that no index holds and no window is cut by.

    SQLite: an integer, milliseconds since 1970, in a quarter of the bytes; the views turn it into the same text.
    """

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """An integer on SQLite, a timestamp with time zone elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return super().load_dialect_impl(dialect)

    def _forms(self, values: Sequence[datetime | None], dialect: Dialect) -> list[Any]:
        if dialect.name != "sqlite":
            return super()._forms(values, dialect)
        try:
            return [None if value is None else (value - _1970) // _MILLISECOND for value in values]
        except TypeError:
            return [None if value is None else floor_to_ms(value) for value in values]  # says which one is naive

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Always aware and in UTC."""
        if isinstance(value, int):
            return datetime.fromtimestamp(value / 1000, UTC)
        return super().process_result_value(value, dialect)


class UuidKey(TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, 16 bytes on SQLite."""

    impl = LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """16 bytes on SQLite, `uuid` elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary(16))
        return dialect.type_descriptor(postgresql.UUID(as_uuid=True))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        """The form that the database stores."""
        return self.bind_column([value], dialect)[0]

    def bind_column(self, values: Sequence[UUID | None], dialect: Dialect) -> Sequence[Any]:
        """A whole column at once."""
        if dialect.name != "sqlite":
            return values
        return [None if value is None else value.int.to_bytes(16) for value in values]

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        """A UUID whatever the database stored."""
        return UUID(bytes=bytes(value)) if isinstance(value, bytes | memoryview) else value


def bind_values(kind: TypeEngine[Any], values: Sequence[Any], dialect: Dialect) -> Sequence[Any]:
    """A whole column as the driver takes it, past SQLAlchemy.

    Python's SQLite driver looks for an adapter of every value that is no plain number or text, a flag among them.
    """
    if isinstance(kind, UtcDateTime | UuidKey):
        return kind.bind_column(values, dialect)
    if isinstance(kind, Boolean) and dialect.name == "sqlite":
        return list(map(_FLAGS.__getitem__, values))
    return values
