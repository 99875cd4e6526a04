"""When an open session is expected to end, when a fire was first tried; what Checkly refuses a daemon.

Revision: 0003, after: 0002
"""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
views_digest = "cafb569a63a76bf3"

MOMENT: Final = postgresql.TIMESTAMP(timezone=True, precision=3).with_variant(sa.String(23), "sqlite")


def upgrade() -> None:
    op.add_column("check_sessions", sa.Column("expected_at", MOMENT, nullable=True))
    op.add_column("fires", sa.Column("first_intent_at", MOMENT, nullable=True))
    op.add_column("daemons", sa.Column("refused_since", MOMENT, nullable=True))
    op.add_column("daemons", sa.Column("refused_why", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("daemons", "refused_why")
    op.drop_column("daemons", "refused_since")
    op.drop_column("fires", "first_intent_at")
    op.drop_column("check_sessions", "expected_at")
