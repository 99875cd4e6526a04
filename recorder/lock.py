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

from recorder.db import sqlite_file
from recorder.errors import DatabaseError, LockedError

SHARED_FILE_SYSTEMS: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "smbnetfs", "webdav", "davfs", "davfs2", "afs", "sshfs"),
        *("9p", "virtiofs", "vboxsf", "prl_fs", "vmhgfs", "vmhgfs-fuse", "grpcfuse", "osxfs"),
        *("ceph", "ceph-fuse", "glusterfs", "lustre", "beegfs", "gpfs", "mfs", "moosefs", "seaweedfs", "juicefs"),
        *("orangefs", "pvfs2", "coda", "ocfs2", "gfs2", "gvfsd-fuse", "curlftpfs", "rclone", "s3fs", "goofys"),
        *("mountpoint-s3", "gcsfuse", "blobfuse", "blobfuse2"),
    }
)
"""Where other machines may write too: over a network, on shared disks, in folders of a virtual machine's host.

Those that run in user space are mounted as `fuse.<name>`; `fuseblk` is a local disk.
"""

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
    _refuse_shared_storage(path)
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
    """Where the lock of a SQLite file lies, whatever name it goes by; None for PostgreSQL and in memory."""
    path = sqlite_file(engine)
    return None if path is None else Path(f"{path}.lock")


def file_system_of(path: Path, mounts: str) -> str:
    """The type of the file system that a path lies on, by the text of /proc/self/mounts; "" when it is not known."""
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, type_, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")  # mounts writes a space as \\040
        if len(point) >= len(best) and path.is_relative_to(point):
            best, kind = point, type_
    return kind


def is_shared(kind: str) -> bool:
    """Whether a file system of this type may be written to by other machines too."""
    return kind.removeprefix("fuse.") in SHARED_FILE_SYSTEMS


def _refuse_shared_storage(path: Path) -> None:
    """WAL needs shared memory, and locks that work: across machines SQLite loses data."""
    try:
        mounts = Path("/proc/self/mounts").read_text()
    except OSError:
        return  # not Linux
    kind = file_system_of(path.resolve(), mounts)
    if is_shared(kind):
        raise DatabaseError(
            f"{path.name.removesuffix('.lock')} is on a network or shared file system ({kind}), where SQLite loses "
            "data: put it on a local disk, or use PostgreSQL"
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
