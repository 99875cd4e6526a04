"""Times that no index holds are integers on SQLite: milliseconds since 1970, in a quarter of the bytes.

Revision: 0006, after: 0005
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
views_digest = "425f56218a595266"

COLUMNS: Final = {
    "check_sessions": ("stopped_at", "recorded_at", "final_at"),
    "check_results": ("started_at", "stopped_at"),
}
NEVER_NULL: Final = ("recorded_at",)
TO_NUMBER: Final = "CAST(strftime('%s', {0}) AS INTEGER) * 1000 + CAST(substr({0}, 21, 3) AS INTEGER)"
TO_TEXT: Final = "strftime('%Y-%m-%d %H:%M:%f', {0} / 1000.0, 'unixepoch')"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":  # the digits first, for what a column of text holds becomes no number
        for table, columns in COLUMNS.items():
            _write(table, columns, TO_NUMBER)
            _declare(table, columns, sa.String(23), sa.BigInteger())


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table, columns in COLUMNS.items():
            _declare(table, columns, sa.BigInteger(), sa.String(23))
            _write(table, columns, TO_TEXT)


def _write(table: str, columns: tuple[str, ...], form: str) -> None:
    changes = ", ".join(f"{column} = {form.format(column)}" for column in columns)
    op.execute(sa.text(f"UPDATE {table} SET {changes}".replace(":", r"\:")))  # noqa: S608 - the names above


def _declare(
    table: str, columns: tuple[str, ...], was: sa.types.TypeEngine[Any], will_be: sa.types.TypeEngine[Any]
) -> None:
    with op.batch_alter_table(table, recreate="always") as batch:
        for column in columns:
            batch.alter_column(column, existing_type=was, type_=will_be, existing_nullable=column not in NEVER_NULL)
