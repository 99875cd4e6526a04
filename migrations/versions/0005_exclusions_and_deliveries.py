"""Spans of time that reports leave out on a person's word, and up to where reports have been delivered.

Revision: 0005, after: 0004
"""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
views_digest = "d089ce833402965b"

KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT: Final = postgresql.TIMESTAMP(timezone=True, precision=3).with_variant(sa.String(23), "sqlite")
UUID: Final = postgresql.UUID(as_uuid=True).with_variant(sa.LargeBinary(16), "sqlite")


def upgrade() -> None:
    op.create_table(
        "exclusions",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("check_pk", KEY, nullable=True),
        sa.Column("run_location_pk", KEY, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("removed_at", MOMENT, nullable=True),
        sa.Column("removed_by", sa.Text(), nullable=True),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_exclusions_order")),
        sa.ForeignKeyConstraint(["check_pk"], ["checks.pk"], name=op.f("fk_exclusions_check_pk_checks")),
        sa.ForeignKeyConstraint(
            ["run_location_pk"], ["run_locations.pk"], name=op.f("fk_exclusions_run_location_pk_run_locations")
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_exclusions")),
    )
    op.create_table(
        "deliveries",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cursor", MOMENT, nullable=False),
        sa.Column("claimed_by", UUID, nullable=True),
        sa.Column("claimed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("name", name=op.f("uq_deliveries_name")),
    )


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("exclusions")
