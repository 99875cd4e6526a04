"""Keeps a second daemon out of a SQLite database: one lock file beside it, held for as long as the process lives.

The kernel lets go of the lock when its holder dies, however it dies, so a file left behind keeps nobody out; a number
in it says that its process did not stop by itself.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Engine

from recorder.errors import DatabaseError, LockedError

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "fuse.sshfs"}
)

log = structlog.get_logger(__name__)


@contextmanager
def only_daemon(engine: Engine) -> Iterator[None]:
    """Hold the lock of this database while the block runs; PostgreSQL needs none, daemons share it by claims.

    Raises LockedError (exit 75) with the pid of the process that holds it.
    """
    path = lock_path(engine)
    if path is None:
        yield
        return
    _refuse_network_storage(path)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DatabaseError(f"the lock file {path} cannot be opened: {error.strerror}") from error
    try:
        _take(descriptor, path)
        if left_by := _written(descriptor):
            log.warning("the last process did not stop by itself; taking over", lock=path.name, pid=left_by)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def lock_path(engine: Engine) -> Path | None:
    """Where the lock of a SQLite file lies; None for PostgreSQL and for a database in memory."""
    database = engine.url.database
    if engine.dialect.name != "sqlite" or not database or database == ":memory:":
        return None
    return Path(f"{database}.lock")


def file_system_of(path: Path, mounts: str) -> str:
    """The type of the file system that a path lies on, by the text of /proc/self/mounts; "" when it is not known."""
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, type_, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")  # mounts writes a space as \\040
        if len(point) >= len(best) and path.is_relative_to(point):
            best, kind = point, type_
    return kind


def _refuse_network_storage(path: Path) -> None:
    """WAL needs shared memory, and locks that work: over a network SQLite loses data."""
    try:
        mounts = Path("/proc/self/mounts").read_text()
    except OSError:
        return  # not Linux
    kind = file_system_of(path.resolve(), mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise DatabaseError(
            f"{path.name.removesuffix('.lock')} lies on a network file system ({kind}), where SQLite loses data: "
            "put it on a local disk, or use PostgreSQL"
        )


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _written(descriptor) or "unknown"
        raise LockedError(
            f"another recorder (pid {holder}) holds {path.name.removesuffix('.lock')}: stop it first, "
            "or use PostgreSQL to run several"
        ) from None


def _written(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode(errors="replace").strip()
