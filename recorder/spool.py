"""Keeps what Checkly answered to a trigger on disk until the database has it.

A session id that is lost is lost for ever, because nothing lists sessions. Each answer is a file of its own, written
under another name, synced and renamed, so that a reader sees a whole answer or none; it is removed after the commit.
"""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from recorder.db import sqlite_file
from recorder.errors import DatabaseError


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


class Spool:
    """A folder of answers that are not yet committed; two databases may share it, for an owner belongs to one."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first answer comes."""
        self.folder = folder

    def keep(self, answer: SpooledAnswer) -> Path:
        """Write the answer so that it survives a power cut; the path to hand to `forget`.

        Raises DatabaseError when the disk refuses.
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
            self.folder.mkdir(parents=True, exist_ok=True)
            _write_synced(path, json.dumps(document).encode())
        except OSError as error:
            raise DatabaseError(f"the spool {path} cannot be written: {error.strerror}") from error
        return path

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


def _write_synced(path: Path, document: bytes) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    with unfinished.open("wb") as file:
        file.write(document)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> SpooledAnswer | TornFile:
    try:
        document = json.loads(path.read_bytes())
        body = base64.b64decode(document["body"], validate=True)
        if hashlib.sha256(body).hexdigest() != document["sha256"]:
            return TornFile(path, "its checksum does not match")
        return SpooledAnswer(
            fire_pk=int(document["fire_pk"]),
            owner=UUID(document["owner"]),
            origin=str(document["origin"]),
            received_at=datetime.fromisoformat(document["received_at"]),
            http_status=int(document["http_status"]),
            body=body,
            session_timeout=timedelta(seconds=float(document["session_timeout_s"])),
            cancel_on_timeout=bool(document["cancel_on_timeout"]),
        )
    except (OSError, ValueError, KeyError, TypeError, binascii.Error) as error:
        return TornFile(path, f"it is cut or damaged ({type(error).__name__})")
