"""The schema comes up from nothing, stays what the models say, and carries a history over to the next one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from recorder import db, views
from recorder.errors import DatabaseError
from recorder.models import Base
from tests.factories import dump, record, result, rows, session, some_id

ROOT = Path(__file__).resolve().parent.parent
HEAD = str(ScriptDirectory(str(ROOT / "migrations")).get_current_head())
NEXT_REVISION = f'''\
"""A revision of tomorrow; SQLite can only do this by rebuilding a table that others point at.

Revision: 9999, after: {HEAD}
"""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{HEAD}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("checks") as checks:
        checks.alter_column("check_type", existing_type=sa.Text(), nullable=True)
'''


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without any table, of each kind in turn."""
    url = (
        f"sqlite:///{tmp_path / 'empty.db'}" if request.param == "sqlite" else request.getfixturevalue("new_postgresql")
    )
    engine = db.open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def newer_program(tmp_path: Path) -> Path:
    """A folder that holds this program as it may be one revision later."""
    folder = tmp_path / "newer"
    for package in ("recorder", "migrations"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "migrations" / "versions" / "9999_tomorrow.py").write_text(NEXT_REVISION, encoding="utf-8")
    return folder


def upgrade_with(program: Path, engine: Engine) -> None:
    """Run `recorder db upgrade` of another program on a database."""
    url = engine.url.render_as_string(hide_password=False)
    subprocess.run(
        [sys.executable, "-m", "recorder.cli", "db", "upgrade", "--database", url],
        cwd=program,
        env={**os.environ, "PYTHONPATH": str(program)},
        check=True,
        capture_output=True,
        timeout=60,
    )


def alembic(engine: Engine, verb: str, *arguments: str) -> None:
    """One command of Alembic's, in a transaction of its own."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    with db.migration_connection(engine) as connection:
        config.attributes["connection"] = connection
        getattr(command, verb)(config, *arguments)


def test_an_empty_database_gets_every_table_and_view(empty: Engine) -> None:
    before = db.upgrade(empty)

    assert before == (None, HEAD)
    assert set(inspect(empty).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    assert set(inspect(empty).get_view_names()) == set(views.VIEWS)


def test_a_second_upgrade_changes_nothing(engine: Engine) -> None:
    record(engine, session())
    before = dump(engine)

    assert db.upgrade(engine) == (HEAD, HEAD)

    assert dump(engine) == before


def test_the_migrations_make_what_the_models_say(engine: Engine) -> None:
    """Column types, nullability, names of constraints and indexes: nothing is left to generate."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_alembic_s_own_check_finds_nothing_to_do(engine: Engine) -> None:
    """The command that a developer runs, through migrations/env.py."""
    alembic(engine, "check")

    assert set(inspect(engine).get_view_names()) == set(views.VIEWS)


def test_every_constraint_has_the_name_that_the_convention_gives(engine: Engine) -> None:
    """A later migration can only drop what it can name on both databases."""
    schema = inspect(engine)
    names = []
    for table in Base.metadata.tables:
        names += [key["name"] for key in (*schema.get_foreign_keys(table), *schema.get_unique_constraints(table))]
        names += [schema.get_pk_constraint(table)["name"]]

    assert len(names) > 20
    assert all(name and re.match(r"(pk|fk|uq)_[a-z_]+$", name) for name in names)


def test_the_newest_revision_carries_the_digest_of_the_views() -> None:
    """A changed view without a migration would reach no database that exists."""
    script = ScriptDirectory(str(ROOT / "migrations"))
    head = script.get_revision("head")

    assert head.module.views_digest == views.digest(), "write a migration (an empty one will do) with the new digest"


def test_a_database_of_a_newer_recorder_is_refused(engine: Engine) -> None:
    """An old program must not write into tables it does not know; nothing is changed."""
    record(engine, session())
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = dump(engine)

    with pytest.raises(DatabaseError, match=rf"schema 9999, newer than this recorder knows \({HEAD}\)"):
        db.upgrade(engine)

    assert dump(engine) == before


def test_rows_survive_the_rebuilding_of_the_table_they_point_at(engine: Engine, newer_program: Path) -> None:
    """SQLite would delete the children of a dropped parent; the migration switches that off and checks afterwards."""
    record(engine, session(), session("two", status="FAILED"))
    before = dump(engine)

    upgrade_with(newer_program, engine)

    assert dump(engine) == before
    assert {column["name"]: column["nullable"] for column in inspect(engine).get_columns("checks")}["check_type"]
    assert rows(engine, "SELECT check_name, status FROM session_history ORDER BY status") == [
        ("Checkout", "FAILED"),
        ("Checkout", "PASSED"),
    ]
    with pytest.raises(DatabaseError, match="newer than this recorder knows"):
        db.upgrade(engine)


def test_sessions_of_an_older_recorder_are_flagged_where_a_location_is_missing(engine: Engine) -> None:
    record(engine, session("whole"), session("partial", [result("partial", "us-east-1")]))
    alembic(engine, "downgrade", "0003")

    db.upgrade(engine)

    flagged = rows(engine, "SELECT check_session_id FROM session_history WHERE is_partial")
    assert flagged == [(some_id("partial"),)]


def test_down_and_up_again_leaves_nothing_behind(engine: Engine) -> None:
    """No view, index or table stays that would be in the way of the first migration."""
    alembic(engine, "downgrade", "base")

    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    assert inspect(engine).get_view_names() == []

    assert db.upgrade(engine) == (None, HEAD)
    assert record(engine, session()).sessions == 1
