"""Runs the migrations for `recorder db upgrade` and for Alembic's own command line.

Views hold no rows, so they are dropped before every migration (SQLite refuses to rebuild a table under a view) and
created anew afterwards from `recorder.views`.
"""

import os

from alembic import context
from sqlalchemy import Connection

from recorder import views
from recorder.db import migration_connection, open_engine
from recorder.models import Base


def run(connection: Connection) -> None:
    """Migrate through this connection; its owner commits."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        transaction_per_migration=False,
    )
    views.drop_views(connection)
    with context.begin_transaction():
        context.run_migrations()
    if set(context.get_context().get_current_heads()) == set(context.script.get_heads()):
        views.create_views(connection)


def run_from_command_line() -> None:
    """Open the database that `-x url=` or RECORDER_DATABASE_URL names."""
    url = context.get_x_argument(as_dictionary=True).get("url") or os.environ.get("RECORDER_DATABASE_URL")
    if not url:
        raise SystemExit("name the database: RECORDER_DATABASE_URL=sqlite:///history.db, or alembic -x url=...")
    with migration_connection(open_engine(url)) as connection:
        run(connection)


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    run_from_command_line()
