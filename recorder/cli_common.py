"""What every verb shares: the options that name the configuration and the database, and what they lead to."""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from recorder.config import Settings

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration file; otherwise RECORDER_CONFIG, then ./recorder.toml."),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database", "-d", help="The database, sqlite:///history.db or postgresql+psycopg://user@host/name."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LogLevel = Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")]
LogJson = Annotated[bool, typer.Option("--log-json", help="Log one JSON object per line.")]


class Context:
    """The configuration and the database that a verb was pointed at, each read when it is first asked for."""

    def __init__(self, config: Path | None, database: str | None = None) -> None:
        """Nothing is read yet."""
        self._config = config
        self._database = database

    @cached_property
    def settings(self) -> "Settings":
        """The checked settings. Raises ConfigError."""
        from recorder.config import load_settings

        environ = dict(os.environ)
        if self._database is not None:
            environ["RECORDER_DATABASE_URL"] = self._database
        return load_settings(self._config, environ=environ, cwd=Path.cwd())

    @cached_property
    def engine(self) -> "Engine":
        """The database with the newest schema. Raises DatabaseError."""
        from recorder import db

        engine = db.open_engine(self.settings.database.url)
        db.upgrade(engine)
        return engine

    @cached_property
    def existing_engine(self) -> "Engine":
        """The database as it is, for commands that only read: nothing is created, nothing migrated."""
        from recorder import db
        from recorder.errors import DatabaseError

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
    from recorder.errors import UsageError

    if level.lower() not in logs.LEVELS:
        raise UsageError(f"--log-level {level} is unknown: choose from {', '.join(logs.LEVELS)}")
    logs.set_up(level, as_json=as_json)
