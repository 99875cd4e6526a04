"""Owns the engine: how each database is opened, set up and brought to the present schema."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import unquote, urlsplit

import stamina
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from recorder.clock import monotonic
from recorder.errors import DatabaseError
from recorder.outage import Outage

_CHECKPOINT_PAGES: Final = 4000
"""16 MB of log before it is carried over: what every batch touches, the indexes, is written a quarter as often."""
BUSY_TIMEOUT_S: Final = 30.0
"""How long a writer on SQLite waits for another one."""
_LIMITS: Final = text(
    "SELECT set_config('lock_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '15s', true)"
)
"""A daemon that stops in the middle of a transaction must not stop the others: PostgreSQL takes its locks away."""
REPLAY_FOR_S: Final = 20.0
"""How long a unit of work is replayed while the database is away."""
MIGRATIONS: Final = Path(__file__).resolve().parent.parent / "migrations"

T = TypeVar("T")


def open_engine(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL, connected once to see that it works.

    SQLite: WAL, synchronous FULL (an intent lost by a power cut would be a second trigger), foreign keys, and every
    transaction opened with BEGIN IMMEDIATE: a deferred one that reads and then writes fails at once under contention.
    A SQLite file that this user may only read is opened for reading.
    Raises DatabaseError with one sentence when the database cannot be opened.
    """
    parsed = _parse(url)
    try:
        engine = _sqlite_engine(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql_engine(parsed)
    except ImportError:
        raise DatabaseError('PostgreSQL needs its driver: pip install "checkly-session-recorder[postgres]"') from None
    outage = Outage(describe(engine), replay_for_s=REPLAY_FOR_S, monotonic=monotonic)
    turn = threading.Lock() if parsed.get_backend_name() == "sqlite" else None
    engine.update_execution_options(recorder_outage=outage, recorder_turn=turn)
    with database_errors(engine), engine.connect():
        return engine


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema to the newest revision and rebuild the views; a second call changes nothing.

    Returns the revision before (None = an empty database) and after. Raises DatabaseError for a schema that is newer
    than this program: an old recorder must not write into tables it does not know.
    """
    script = ScriptDirectory.from_config(_alembic_config())
    head = script.get_current_head()
    if head is None:
        raise DatabaseError(f"no migrations found in {MIGRATIONS}: the installation is incomplete")
    with database_errors(engine):
        before = current_revision(engine)
        if before == head:
            return before, head
        if before is not None and before not in {revision.revision for revision in script.walk_revisions()}:
            raise DatabaseError(
                f"the database {describe(engine)} has schema {before}, newer than this recorder knows ({head}): "
                "install the recorder that wrote it, or a newer one"
            )
        with migration_connection(engine) as connection:
            config = _alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return before, head


def current_revision(engine: Engine) -> str | None:
    """The schema's revision, None for an empty database."""
    with database_errors(engine), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def missing_sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL when it is not there; None when it is, and for every other database."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    path = Path(parsed.database)
    return None if path.exists() else path


def sqlite_file(engine: Engine) -> Path | None:
    """The file of a SQLite database, links followed, so that two names of one file lead to one place; None without one.

    What guards a database lies beside this file, never beside the name that somebody happened to use.
    """
    database = engine.url.database or ""
    if database.startswith("file:"):
        database = unquote(urlsplit(database).path)
    if engine.dialect.name != "sqlite" or database in ("", ":memory:"):
        return None
    return Path(database).resolve()


def connect_to_sqlite(engine: Engine, *, detect_types: int) -> sqlite3.Connection:
    """A connection of the driver's own beside the engine's, which turns values into types as `sqlite3` describes."""
    if engine.url.database and _may_only_be_read(Path(engine.url.database)):
        return _connect_for_reading(Path(engine.url.database), detect_types)
    place, options = engine.dialect.create_connect_args(engine.url)
    connected: Any = engine.dialect.connect(*place, **options, detect_types=detect_types)
    return cast("sqlite3.Connection", connected)


def sqlite_flaw(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> str | None:
    """What is known to be wrong with this SQLite, in words; None when nothing is.

    Source: sqlite.org, the WAL-reset bug, mended in 3.51.3 and in 3.50.7 and 3.44.6.
    """
    mended = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    if mended:
        return None
    number = ".".join(map(str, version))
    return (
        f"SQLite {number} can, very rarely, damage a database that several programs write to: while the daemon runs, "
        "let nothing else write to it, or use a Python with SQLite 3.51.3 or newer"
    )


def describe(engine: Engine) -> str:
    """The database's address without its password, as a person may read it."""
    return engine.url.render_as_string(hide_password=True)


@contextmanager
def database_errors(engine: Engine) -> Iterator[None]:
    """Turn what the driver raises into one DatabaseError sentence that names the database."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise DatabaseError(f"database {describe(engine)}: {_first_line(error)}") from error


def transact(engine: Engine, work: Callable[[Session], T]) -> T:
    """Run one unit of work in one transaction and commit; replay it whole when the database was only passing by.

    `work` may run several times, so it must touch nothing but the session it is given. Raises DatabaseError when the
    database stays away for `REPLAY_FOR_S` seconds, or at once for anything that replaying does not mend.
    """
    outage: Outage = engine.get_execution_options()["recorder_outage"]
    with database_errors(engine):
        for attempt in stamina.retry_context(on=is_transient, attempts=None, timeout=REPLAY_FOR_S, wait_max=2.0):
            with (
                attempt,
                outage.watch(is_transient),
                _turn(engine),
                Session(engine, expire_on_commit=False) as db,
                db.begin(),
            ):
                if engine.dialect.name != "sqlite":
                    db.execute(_LIMITS)
                return work(db)
    raise AssertionError("a retry context returns or raises")


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """Let the threads of this process write to SQLite one after the other, the next one at once.

    SQLite itself lets whoever finds the database busy sleep, ever longer up to 100 ms, and look again.
    """
    lock: threading.Lock | None = engine.get_execution_options()["recorder_turn"]
    is_mine = lock is not None and lock.acquire(timeout=BUSY_TIMEOUT_S)
    try:
        yield
    finally:
        if lock is not None and is_mine:
            lock.release()


def is_transient(error: Exception) -> bool:
    """Whether a unit of work may be replayed whole: a lost connection, a deadlock, a busy database."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlstate", None)
    if code is not None:
        return code[:2] in {"08", "40", "53", "57"} or code in {"55P03", "25P03"}
    return "locked" in str(error.orig) or "busy" in str(error.orig) or "connection" in str(error.orig).lower()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError(
            "the database URL cannot be read: write sqlite:///history.db or postgresql+psycopg://user@host/name"
        ) from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise DatabaseError(
            f"databases of the kind {parsed.drivername} are not supported: use sqlite or postgresql+psycopg"
        )
    return parsed


def _sqlite_engine(url: URL) -> Engine:
    if url.database and url.database != ":memory:" and not url.database.startswith("file:"):
        folder = Path(url.database).expanduser().parent
        if not folder.is_dir():
            raise DatabaseError(f"database {url.database}: the directory {folder} does not exist, create it first")
        if _may_only_be_read(Path(url.database)):
            reading = partial(_connect_for_reading, Path(url.database))
            return create_engine(url, hide_parameters=True, creator=reading)
    try:
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S})
    except NoSuchModuleError as error:
        raise DatabaseError(str(error)) from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _may_only_be_read(path: Path) -> bool:
    """Whether this user can read the file and not write beside it, where SQLite keeps its write-ahead log."""
    return path.is_file() and not (os.access(path, os.W_OK) and os.access(path.absolute().parent, os.W_OK))


def _connect_for_reading(path: Path, detect_types: int = 0) -> sqlite3.Connection:
    """Open the file without touching its folder; without a write-ahead log nobody is writing to it."""
    way = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
    address = f"{path.absolute().as_uri()}?{way}"
    return sqlite3.connect(
        address, uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False, detect_types=detect_types
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver's own transactions leave DDL outside
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    finally:
        cursor.close()


def _begin_immediate(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN" if options.get("recorder_readonly") else "BEGIN IMMEDIATE")


def _postgresql_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={
            "prepare_threshold": None,
            "connect_timeout": 10,
        },  # no server-side state: PgBouncer may be between
    )
    event.listen(engine, "connect", _count_in_utc)
    return engine


def _count_in_utc(connection: Any, _record: object) -> None:
    """In a zone ahead of UTC the driver cannot read the last hours of the year 9999; PgBouncer knows this setting."""
    connection.autocommit = True
    connection.execute("SET TIME ZONE 'UTC'")
    connection.autocommit = False


@contextmanager
def migration_connection(engine: Engine) -> Iterator[Connection]:
    """A connection for migrations; on SQLite with foreign keys off and checked afterwards.

    Rebuilding a parent table with foreign keys on silently deletes its children.
    """
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(20260901)")
            yield connection
        return
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                yield connection
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise DatabaseError(f"the migration would break {len(broken)} references; nothing was changed")
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _first_line(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).strip().split("\n", 1)[0]
