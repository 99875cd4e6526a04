"""Keeps what Checkly answered to a trigger on disk until the database has it.

A session id that is lost is lost for ever, because nothing lists sessions. Each answer is a file of its own, written
into room that was taken before the trigger left, synced and renamed, so that a reader sees a whole answer or none; it
is removed after the commit.
"""

import base64
import binascii
import errno
import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Engine

from recorder.db import sqlite_file
from recorder.errors import DatabaseError

ROOM_BYTES: Final = 262_144
"""Taken on disk before a trigger leaves, enough for some two hundred sessions; a longer answer asks for more."""
_KEYS: Final = 2**63
_STATUSES: Final = range(100, 600)
_LONGEST_TIMEOUT: Final = timedelta(days=1_000_000)


@dataclass(frozen=True, slots=True)
class SpooledAnswer:
    """A 2xx answer to the trigger of one fire, as it came over the wire, and how long its sessions are followed."""

    fire_pk: int
    owner: UUID
    origin: str
    received_at: datetime
    http_status: int
    body: bytes
    session_timeout: timedelta
    cancel_on_timeout: bool


@dataclass(frozen=True, slots=True)
class TornFile:
    """A spool file that cannot be read whole; it stays where it is for a person to look at."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Room:
    """Space on disk for one answer: a file that no reader looks for, locked for as long as its process wants it."""

    path: Path
    file: FileIO


class Spool:
    """A folder of answers that are not yet committed; two databases may share it, for an owner belongs to one."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first answer comes."""
        self.folder = folder

    @contextmanager
    def reserve(self) -> Iterator[Room]:
        """Take room for one answer, and give it back at the end unless an answer was kept in it.

        Raises DatabaseError when the disk refuses.
        """
        path = self.folder / f"{uuid4()}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = FileIO(path, "xb")
        except OSError as error:
            raise _refusal(path, error) from error
        with file:
            try:
                _take_room(file)
            except OSError as error:
                path.unlink(missing_ok=True)
                raise _refusal(path, error) from error
            try:
                yield Room(path, file)
            finally:
                with suppress(OSError):  # no longer there, or on a disk that has gone bad
                    path.unlink()

    def keep(self, answer: SpooledAnswer, room: Room | None = None) -> Path:
        """Write the answer so that it survives a power cut; the path to hand to `forget`.

        Without room it takes some. Raises DatabaseError when the disk refuses.
        """
        path = self.folder / f"fire-{answer.fire_pk}-{answer.owner}.json"
        document = {
            "fire_pk": answer.fire_pk,
            "owner": str(answer.owner),
            "origin": answer.origin,
            "received_at": answer.received_at.isoformat(),
            "http_status": answer.http_status,
            "session_timeout_s": answer.session_timeout.total_seconds(),
            "cancel_on_timeout": answer.cancel_on_timeout,
            "body": base64.b64encode(answer.body).decode(),
            "sha256": hashlib.sha256(answer.body).hexdigest(),
        }
        try:
            with self.reserve() if room is None else nullcontext(room) as taken:
                _write_synced(taken, json.dumps(document).encode(), path)
        except OSError as error:
            raise _refusal(path, error) from error
        return path

    def clear_remains(self) -> None:
        """Remove the room that dead processes had taken; that of a living one is locked."""
        for path in self.folder.glob("*.part"):
            with suppress(OSError), path.open("rb") as file:  # in use, or gone meanwhile
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    def forget(self, path: Path) -> None:
        """Remove an answer that the database has."""
        path.unlink(missing_ok=True)

    def waiting(self) -> Iterator[tuple[Path, SpooledAnswer | TornFile]]:
        """Every answer that was not committed, oldest fire first; a damaged file as `TornFile`."""
        for path in sorted(self.folder.glob("fire-*.json")):
            yield path, _read(path)


def spool_for(engine: Engine, configured: Path | None) -> Spool:
    """The spool of this database: the configured folder, or beside the SQLite file, or in the current folder."""
    if configured is not None:
        return Spool(configured)
    database = sqlite_file(engine)
    return Spool(Path("recorder.spool") if database is None else Path(f"{database}.spool"))


def _refusal(path: Path, error: OSError) -> DatabaseError:
    return DatabaseError(f"the spool {path} cannot be written: {error.strerror}")


def _take_room(file: FileIO) -> None:
    """Lock the file, so that nobody clears it away, and have the disk promise its bytes."""
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if sys.platform == "darwin":
        file.write(bytes(ROOM_BYTES))
    else:
        os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
    os.fsync(file.fileno())
    if not os.fstat(file.fileno()).st_nlink:
        raise FileNotFoundError(errno.ENOENT, "cleared away by a recorder that was just starting")


def _write_synced(room: Room, document: bytes, path: Path) -> None:
    room.file.seek(0)
    rest = memoryview(document)
    while rest:
        rest = rest[room.file.write(rest) :]
    room.file.truncate(len(document))
    os.fsync(room.file.fileno())
    room.path.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> SpooledAnswer | TornFile:
    if not path.is_file():
        return TornFile(path, "it is no file")
    try:
        document = json.loads(path.read_bytes())
        body = base64.b64decode(document["body"], validate=True)
        if hashlib.sha256(body).hexdigest() != document["sha256"]:
            return TornFile(path, "its checksum does not match")
        received_at = datetime.fromisoformat(document["received_at"])
        if received_at.tzinfo is None:
            return TornFile(path, "it does not say when the answer came")
        answer = SpooledAnswer(
            fire_pk=int(document["fire_pk"]),
            owner=UUID(document["owner"]),
            origin=str(document["origin"]),
            received_at=received_at,
            http_status=int(document["http_status"]),
            body=body,
            session_timeout=timedelta(seconds=float(document["session_timeout_s"])),
            cancel_on_timeout=bool(document["cancel_on_timeout"]),
        )
        return answer if _is_possible(answer) else TornFile(path, "its numbers are out of range")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        return TornFile(path, f"it is cut or damaged ({type(error).__name__})")


def _is_possible(answer: SpooledAnswer) -> bool:
    """Whether the database and the calendar can hold its numbers."""
    sound = 0 < answer.fire_pk < _KEYS and answer.http_status in _STATUSES
    return sound and timedelta(0) <= answer.session_timeout <= _LONGEST_TIMEOUT
