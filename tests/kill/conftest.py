"""Databases that are there to be tormented."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill.postgresql import PostgresqlServer, own_postgresql
from tests.kill.stage import migrated_sqlite
from tests.kill.zygote import Zygote, zygote


@pytest.fixture(scope="session")
def parent() -> Iterator[Zygote]:
    """The process that forks every daemon: one import of everything for all tests."""
    with zygote() as started:
        yield started


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A migrated SQLite database."""
    return migrated_sqlite(tmp_path)


@pytest.fixture
def own_server(postgresql_server: str) -> Iterator[PostgresqlServer]:
    """A PostgreSQL that this test may restart; the shared one has prepared the ground for a second."""
    with own_postgresql() as server:
        yield server
