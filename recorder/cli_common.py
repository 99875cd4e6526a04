"""What every verb shares: the options that name the configuration and the database, and what they lead to."""

import gc
import getpass
import os
import socket
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from recorder.errors import ConfigError, DatabaseError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from recorder.config import Settings
    from reports.thresholds import Thresholds

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help="The configuration; otherwise RECORDER_CONFIG, then ./recorder.toml."
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        "-d",
        metavar="URL",
        help="sqlite:///history.db or postgresql+psycopg://user@host/name; otherwise what the configuration says.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; times are UTC, 2026-11-18T11:00:00.000Z.")]
LogLevel = Annotated[str, typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")]
LogJson = Annotated[bool, typer.Option("--log-json", help="Log one JSON object per line.")]

_DATABASE_VARIABLE: Final = "RECORDER_DATABASE_URL"


class Context:
    """The configuration and the database that a verb was pointed at, each read when it is first asked for."""

    def __init__(self, config: Path | None, database: str | None = None) -> None:
        """Nothing is read yet."""
        self._config = config
        self._database = database

    @cached_property
    def settings(self) -> "Settings":
        """The checked settings. Raises ConfigError, UsageError when --database names nothing."""
        from recorder.config import load_settings

        environ = dict(os.environ)
        if self._database is not None:
            if not self._database.strip():
                raise UsageError("--database is empty: name one, or leave it out for the one of the configuration")
            environ[_DATABASE_VARIABLE] = self._database
        try:
            return load_settings(self._config, environ=environ, cwd=Path.cwd())
        except ConfigError as error:
            raise self._in_words_of_the_command_line(error) from None

    def _in_words_of_the_command_line(self, error: ConfigError) -> ConfigError:
        """What is wrong with --database is not said of a variable that nobody has set."""
        if self._database is None:
            return error
        return ConfigError(
            [
                replace(problem, place="--database") if problem.place == _DATABASE_VARIABLE else problem
                for problem in error.problems
            ]
        )

    @cached_property
    def engine(self) -> "Engine":
        """The database with the newest schema. Raises DatabaseError."""
        from recorder import db

        engine = db.open_engine(self.settings.database.url)
        db.upgrade(engine)
        return engine

    @cached_property
    def existing_engine(self) -> "Engine":
        """A database that is there, for commands that make none; an older schema is brought to the newest."""
        from recorder import db

        url = self.settings.database.url
        missing = db.missing_sqlite_file(url)
        if missing is not None:
            raise DatabaseError(f"there is no database {missing}: record something first, or name another --database")
        engine = db.open_engine(url)
        if db.current_revision(engine) is None:
            raise DatabaseError(
                f"the database {db.describe(engine)} holds no history: recorder db upgrade makes its tables"
            )
        db.upgrade(engine)
        return engine


def set_up_logs(level: str, *, as_json: bool) -> None:
    """Configure logging, or say which levels there are."""
    from recorder import logs

    if level.lower() not in logs.LEVELS:
        raise UsageError(f"--log-level {level} is unknown: choose from {', '.join(logs.LEVELS)}")
    logs.set_up(level, as_json=as_json)


def spare_modules_the_collector() -> None:
    """Leave what is loaded by now out of the garbage collector's walks: a verb's modules live as long as it does.

    A report of 500 checks takes a fifth less CPU, for the modules are some two hundred thousand objects.
    """
    gc.freeze()


def thresholds_of(settings: "Settings") -> "Thresholds":
    """The configured thresholds in the form that the reports take them."""
    from reports.thresholds import Thresholds

    return Thresholds(**settings.thresholds.model_dump())


def whoami() -> str:
    """Who decides something here, for the row that keeps it: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def uuid_of(text: str, what: str) -> UUID:
    """The UUID in an argument. Raises UsageError."""
    try:
        return UUID(text)
    except ValueError:
        raise UsageError(f'"{text}" is not {what}: copy the UUID from Checkly') from None
