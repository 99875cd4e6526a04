"""One daemon for one SQLite file."""

import os
from pathlib import Path

import pytest
from sqlalchemy import Engine

from recorder.db import open_engine
from recorder.errors import DatabaseError, LockedError
from recorder.lock import file_system_of, is_shared, lock_path, only_daemon
from recorder.models import is_sqlite
from recorder.spool import spool_for

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
server:/export /srv/history nfs4 rw 0 0
tmpfs /srv/history/local tmpfs rw 0 0
//server/share /mnt/my\\040share cifs rw 0 0
"""


def test_a_second_holder_is_kept_out_and_told_who_holds_it(sqlite_engine: Engine) -> None:
    with only_daemon(sqlite_engine), pytest.raises(LockedError) as refusal, only_daemon(sqlite_engine):
        pytest.fail("two hold it")

    assert str(refusal.value) == (
        f"another recorder (pid {os.getpid()}) holds history.db: stop it first, or use PostgreSQL to run several"
    )
    assert refusal.value.exit_code == 75


def test_the_lock_is_free_again_after_its_holder_whatever_ended_it(sqlite_engine: Engine) -> None:
    """The next one takes it at once, also over a file that names somebody long dead."""
    with pytest.raises(ValueError, match="broken"), only_daemon(sqlite_engine):
        raise ValueError("broken")
    path = lock_path(sqlite_engine)
    assert path is not None
    path.write_text("99999999999\n")

    with only_daemon(sqlite_engine):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_lock_file_of_nobody_known_still_refuses_in_a_sentence(sqlite_engine: Engine) -> None:
    """The holder may not have written its number yet."""
    path = lock_path(sqlite_engine)
    assert path is not None
    with only_daemon(sqlite_engine):
        path.write_bytes(b"")
        with pytest.raises(LockedError, match=r"another recorder \(pid unknown\)"), only_daemon(sqlite_engine):
            pytest.fail("two hold it")


def test_several_hold_one_postgresql(engine: Engine) -> None:
    """They share it by their claims; a file has one holder."""
    with only_daemon(engine):
        if not is_sqlite(engine):
            with only_daemon(engine):
                assert lock_path(engine) is None


def test_the_lock_lies_beside_the_file(sqlite_engine: Engine, tmp_path: Path) -> None:
    assert lock_path(sqlite_engine) == tmp_path / "history.db.lock"


@pytest.mark.parametrize("name", ["link.db", "folder/history.db", "file"])
def test_another_name_for_the_same_file_is_the_same_lock_and_the_same_spool(
    sqlite_engine: Engine, tmp_path: Path, name: str
) -> None:
    """A link, a linked folder, an address in SQLite's own form: two daemons would trigger everything twice."""
    (tmp_path / "link.db").symlink_to("history.db")
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    url = f"sqlite:///file:{tmp_path}/history.db?uri=true" if name == "file" else f"sqlite:///{tmp_path / name}"
    other = open_engine(url)

    assert spool_for(other, None).folder == spool_for(sqlite_engine, None).folder
    with only_daemon(sqlite_engine), pytest.raises(LockedError, match=r"holds history\.db:"), only_daemon(other):
        pytest.fail("two hold it")
    other.dispose()


def test_a_database_in_memory_needs_no_lock() -> None:
    """Nobody else can see it."""
    engine = open_engine("sqlite://")

    with only_daemon(engine), only_daemon(engine):
        assert lock_path(engine) is None
    engine.dispose()


def test_a_lock_that_cannot_be_made_is_trouble_with_the_database(sqlite_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "history.db.lock").mkdir()

    with pytest.raises(DatabaseError, match=r"history\.db\.lock cannot be opened: Is a directory"):
        only_daemon(sqlite_engine).__enter__()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/history.db.lock", "ext4"),
        ("/srv/history/history.db.lock", "nfs4"),
        ("/srv/history-of-mine/history.db.lock", "ext4"),
        ("/srv/history/local/history.db.lock", "tmpfs"),
        ("/mnt/my share/history.db.lock", "cifs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount_above(path: str, kind: str) -> None:
    """A name that only begins alike is another folder, and a blank is written as an escape."""
    assert file_system_of(Path(path), MOUNTS) == kind


def test_without_any_mount_nothing_is_known() -> None:
    assert file_system_of(Path("/home/me/history.db.lock"), "") == ""


@pytest.mark.parametrize(
    "kind", ["nfs4", "cifs", "fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "ceph", "fuse.ceph-fuse", "9p", "virtiofs"]
)
def test_what_other_machines_may_write_to_is_no_place_for_sqlite(kind: str) -> None:
    assert is_shared(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk", "fuse.mergerfs", ""])
def test_a_local_disk_is_a_place_for_sqlite_whatever_drives_it(kind: str) -> None:
    """`fuseblk` is a disk of this machine that a driver in user space reads."""
    assert not is_shared(kind)
