"""Several daemons on one database, evidence about ambiguous fires, cancelling what runs too long.

Revision: 0002, after: 0001
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
views_digest = "cafb569a63a76bf3"

KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT: Final = postgresql.TIMESTAMP(timezone=True, precision=3).with_variant(sa.String(23), "sqlite")
UUID: Final = postgresql.UUID(as_uuid=True).with_variant(sa.LargeBinary(16), "sqlite")
FIRE_COLUMNS: Final[dict[str, sa.types.TypeEngine[Any]]] = {
    "evidence": sa.Text(),
    "reconciled_at": MOMENT,
    "resolved_at": MOMENT,
    "resolved_by": sa.Text(),
}


def upgrade() -> None:
    op.create_table(
        "daemons",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("owner", UUID, nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("stopped_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_daemons")),
        sa.UniqueConstraint("owner", name=op.f("uq_daemons_owner")),
    )
    for name, kind in FIRE_COLUMNS.items():
        op.add_column("fires", sa.Column(name, kind, nullable=True))
    op.add_column(
        "check_sessions", sa.Column("cancel_on_timeout", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("check_sessions", "cancel_on_timeout")
    for name in FIRE_COLUMNS:
        op.drop_column("fires", name)
    op.drop_table("daemons")
