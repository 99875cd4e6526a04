"""The first tables: schedules, fires, checks, locations, sessions, results, payloads.

Revision: 0001, the first. Imports nothing of the recorder: a migration must mean the same for ever.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT: Final = postgresql.TIMESTAMP(timezone=True, precision=3).with_variant(sa.String(23), "sqlite")
MILLISECONDS: Final[sa.Double[float]] = sa.Double().with_variant(sa.Numeric(asdecimal=False), "sqlite")
UUID: Final = postgresql.UUID(as_uuid=True).with_variant(sa.LargeBinary(16), "sqlite")


def upgrade() -> None:
    op.create_table(
        "checks",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("check_id", UUID, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("check_type", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_checks")),
        sa.UniqueConstraint("check_id", name=op.f("uq_checks_check_id")),
    )
    op.create_table(
        "contract_surprises",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("what", sa.String(length=400), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_contract_surprises")),
        sa.UniqueConstraint("what", name=op.f("uq_contract_surprises_what")),
    )
    op.create_table(
        "location_sets",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("run_locations", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_location_sets")),
        sa.UniqueConstraint("digest", name=op.f("uq_location_sets_digest")),
    )
    op.create_table(
        "run_locations",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_run_locations")),
        sa.UniqueConstraint("name", name=op.f("uq_run_locations_name")),
    )
    op.create_table(
        "schedules",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("cursor", MOMENT, nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("removed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_schedules")),
        sa.UniqueConstraint("name", name=op.f("uq_schedules_name")),
    )
    op.create_table(
        "fires",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("schedule_pk", KEY, nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("scheduled_for", MOMENT, nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("owner", UUID, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("intent_at", MOMENT, nullable=True),
        sa.Column("outcome_at", MOMENT, nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("session_count", sa.Integer(), nullable=True),
        sa.Column("request_body", sa.Text(), nullable=True),
        sa.Column("request_sha256", sa.Text(), nullable=True),
        sa.Column("gap_until", MOMENT, nullable=True),
        sa.Column("gap_count", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "state IN ('due', 'intent', 'triggered', 'no_match', 'rejected', 'ambiguous', 'missed', 'skipped')",
            name=op.f("ck_fires_state"),
        ),
        sa.ForeignKeyConstraint(["schedule_pk"], ["schedules.pk"], name=op.f("fk_fires_schedule_pk_schedules")),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_fires")),
        sa.UniqueConstraint("schedule_pk", "scheduled_for", name=op.f("uq_fires_schedule_pk_scheduled_for")),
    )
    op.create_index(op.f("ix_fires_state_scheduled_for"), "fires", ["state", "scheduled_for"], unique=False)

    op.create_table(
        "location_set_members",
        sa.Column("location_set_pk", KEY, nullable=False),
        sa.Column("run_location_pk", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["location_set_pk"],
            ["location_sets.pk"],
            name=op.f("fk_location_set_members_location_set_pk_location_sets"),
        ),
        sa.ForeignKeyConstraint(
            ["run_location_pk"],
            ["run_locations.pk"],
            name=op.f("fk_location_set_members_run_location_pk_run_locations"),
        ),
        sa.PrimaryKeyConstraint("location_set_pk", "run_location_pk", name=op.f("pk_location_set_members")),
    )
    op.create_table(
        "check_sessions",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("check_session_id", UUID, nullable=False),
        sa.Column("check_pk", KEY, nullable=False),
        sa.Column("fire_pk", KEY, nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("stopped_at", MOMENT, nullable=True),
        sa.Column("time_elapsed_ms", MILLISECONDS, nullable=True),
        sa.Column("run_source", sa.Text(), nullable=True),
        sa.Column("location_set_pk", KEY, nullable=False),
        sa.Column("has_attempts", sa.Boolean(), nullable=False),
        sa.Column("excluded", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("settling_since", MOMENT, nullable=True),
        sa.Column("final_at", MOMENT, nullable=True),
        sa.Column("next_poll_at", MOMENT, nullable=True),
        sa.Column("deadline_at", MOMENT, nullable=True),
        sa.Column("missing_since", MOMENT, nullable=True),
        sa.Column("abandoned_at", MOMENT, nullable=True),
        sa.Column("abandoned_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["check_pk"], ["checks.pk"], name=op.f("fk_check_sessions_check_pk_checks")),
        sa.ForeignKeyConstraint(["fire_pk"], ["fires.pk"], name=op.f("fk_check_sessions_fire_pk_fires")),
        sa.ForeignKeyConstraint(
            ["location_set_pk"], ["location_sets.pk"], name=op.f("fk_check_sessions_location_set_pk_location_sets")
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_check_sessions")),
        sa.UniqueConstraint("check_session_id", name=op.f("uq_check_sessions_check_session_id")),
    )
    op.create_index(
        op.f("ix_check_sessions_check_pk_started_at"), "check_sessions", ["check_pk", "started_at"], unique=False
    )
    op.create_index(op.f("ix_check_sessions_fire_pk"), "check_sessions", ["fire_pk"], unique=False)
    op.create_index(
        op.f("ix_check_sessions_next_poll_at"),
        "check_sessions",
        ["next_poll_at"],
        unique=False,
        sqlite_where=sa.text("next_poll_at IS NOT NULL"),
        postgresql_where=sa.text("next_poll_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_check_sessions_started_at"), "check_sessions", ["started_at"], unique=False)

    op.create_table(
        "check_results",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("check_result_id", UUID, nullable=False),
        sa.Column("session_pk", KEY, nullable=False),
        sa.Column("run_location_pk", KEY, nullable=False),
        sa.Column("result_type", sa.Text(), nullable=True),
        sa.Column("has_errors", sa.Boolean(), nullable=True),
        sa.Column("has_failures", sa.Boolean(), nullable=True),
        sa.Column("is_degraded", sa.Boolean(), nullable=True),
        sa.Column("aborted", sa.Boolean(), nullable=True),
        sa.Column("is_cancelled", sa.Boolean(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("response_time_ms", MILLISECONDS, nullable=True),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("stopped_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["run_location_pk"], ["run_locations.pk"], name=op.f("fk_check_results_run_location_pk_run_locations")
        ),
        sa.ForeignKeyConstraint(
            ["session_pk"], ["check_sessions.pk"], name=op.f("fk_check_results_session_pk_check_sessions")
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_check_results")),
        sa.UniqueConstraint("check_result_id", name=op.f("uq_check_results_check_result_id")),
    )
    op.create_index(op.f("ix_check_results_session_pk"), "check_results", ["session_pk"], unique=False)

    op.create_table(
        "payloads",
        sa.Column("pk", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("session_pk", KEY, nullable=True),
        sa.Column("fire_pk", KEY, nullable=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["fire_pk"], ["fires.pk"], name=op.f("fk_payloads_fire_pk_fires")),
        sa.ForeignKeyConstraint(
            ["session_pk"], ["check_sessions.pk"], name=op.f("fk_payloads_session_pk_check_sessions")
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_payloads")),
        sa.UniqueConstraint("session_pk", name=op.f("uq_payloads_session_pk")),
    )
    op.create_index(op.f("ix_payloads_fire_pk"), "payloads", ["fire_pk"], unique=False)


def downgrade() -> None:
    for table in (
        "payloads",
        "check_results",
        "check_sessions",
        "location_set_members",
        "fires",
        "schedules",
        "run_locations",
        "location_sets",
        "contract_surprises",
        "checks",
    ):
        op.drop_table(table)
