"""Which sessions were closed without a result for some run location.

Revision: 0004, after: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
views_digest = "d2dfbc39d6552014"

MARK_PARTIAL = """
    UPDATE check_sessions SET is_partial = true
    WHERE final_at IS NOT NULL
      AND (SELECT COUNT(*) FROM check_results r WHERE r.session_pk = check_sessions.pk AND r.result_type = 'FINAL')
        < (SELECT COUNT(*) FROM location_set_members m WHERE m.location_set_pk = check_sessions.location_set_pk)"""
CUT_TO_MILLISECONDS = """
    UPDATE check_sessions SET abandoned_at = substr(abandoned_at, 1, 23) WHERE length(abandoned_at) > 23"""


def upgrade() -> None:
    op.add_column("check_sessions", sa.Column("is_partial", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(MARK_PARTIAL)
    if op.get_bind().dialect.name == "sqlite":
        op.execute(CUT_TO_MILLISECONDS)  # the recorder wrote this one time with six digits


def downgrade() -> None:
    op.drop_column("check_sessions", "is_partial")
