"""Databases that a campaign may torment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill.postgresql import PostgresqlServer, own_postgresql
from tests.kill.stage import migrated_sqlite

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything that kills processes is a campaign for now: `pytest -m campaign tests/kill` runs it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.campaign)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A migrated SQLite database."""
    return migrated_sqlite(tmp_path)


@pytest.fixture
def own_server(postgresql_server: str) -> Iterator[PostgresqlServer]:
    """A PostgreSQL that this test may restart; the shared one has prepared the ground for a second."""
    with own_postgresql() as server:
        yield server
