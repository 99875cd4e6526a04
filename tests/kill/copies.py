"""Copies of a live SQLite database as a power cut or a bad backup leaves them, and what the recorder makes of each.

A snapshot is taken while the daemon stands still at an arbitrary machine instruction, so database and WAL are what a
dead process leaves. Each kind of damage then does what may happen to bytes that were not synced yet, or worse.
"""

import signal
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from recorder import db
from recorder.clock import monotonic
from recorder.db import database_errors
from recorder.errors import DatabaseError
from tests.kill.invariants import changes_by_repeating, doubled_results, illegal_states, torn_pages, wrong_instants
from tests.kill.zygote import Child, wait_for_any

PAGE: Final = 4096
WAL_HEADER: Final = 32
FRAME: Final = 24 + PAGE
SECTOR: Final = 512
MX_FRAME, BACKFILLED, ATTEMPTED = 16, 96, 128
"""Where the index of the WAL (the -shm file) holds these 32-bit counts: https://www.sqlite.org/walformat.html"""

COMPILED: Final[dict[Any, Any]] = {}
"""Statements compiled once for all copies: each copy has an engine of its own."""

RECOVERED: Final = "recovered"
REFUSED: Final = "refused"
EMPTY: Final = "taken for a new database"
TOLD: Final = "told by the integrity check"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The bytes of a database and its WAL; the first `settled` bytes of the WAL may be in the database already."""

    database: bytes
    wal: bytes
    settled: int


Damage = Callable[[Snapshot, Random], Snapshot]


def freeze(daemon: Child, database: Path) -> Snapshot:
    """Stop the process wherever it is, read the files, let it go on."""
    daemon.signal(signal.SIGSTOP)
    try:
        _wait_until_stopped(daemon.pid)
        index = Path(f"{database}-shm").read_bytes()
        pages, wal = database.read_bytes(), Path(f"{database}-wal").read_bytes()
    finally:
        daemon.signal(signal.SIGCONT)
    (written,) = struct.unpack_from("=I", index, MX_FRAME)
    in_database = max(struct.unpack_from("=I", index, offset)[0] for offset in (BACKFILLED, ATTEMPTED))
    return Snapshot(pages, wal, WAL_HEADER + min(written, in_database) * FRAME)


def as_it_stood(snapshot: Snapshot, _rng: Random) -> Snapshot:
    """What a SIGKILL leaves."""
    return snapshot


def cut_wal(snapshot: Snapshot, rng: Random) -> Snapshot:
    """The WAL ends in the middle of a byte stream that was never synced."""
    return replace(snapshot, wal=snapshot.wal[: rng.randint(snapshot.settled, len(snapshot.wal))])


def torn_wal(snapshot: Snapshot, rng: Random) -> Snapshot:
    """From some sector on, some sectors of the WAL reached the disk and some did not."""
    wal = bytearray(snapshot.wal)
    for start in range(rng.randint(snapshot.settled, len(wal)), len(wal), SECTOR):
        if rng.random() < 0.3:
            end = min(start + SECTOR, len(wal))
            wal[start:end] = rng.choice((bytes(end - start), rng.randbytes(end - start)))
    return replace(snapshot, wal=bytes(wal))


def torn_checkpoint(snapshot: Snapshot, rng: Random) -> Snapshot:
    """A checkpoint was copying pages of the WAL into the database: half of each may be there."""
    pages = bytearray(snapshot.database)
    for page in sorted(committed_pages(snapshot.wal) - {1}):
        if rng.random() < 0.3 and page * PAGE <= len(pages):
            start = (page - 1) * PAGE + rng.randrange(PAGE // SECTOR) * SECTOR
            pages[start : start + SECTOR] = rng.randbytes(SECTOR)
    return replace(snapshot, database=bytes(pages))


def short_database(snapshot: Snapshot, rng: Random) -> Snapshot:
    """A backup that ran out of space: the database is cut, so that a page is gone that the WAL does not hold."""
    gone = unheld_pages(snapshot)
    wal = snapshot.wal if gone else b""
    end = max(gone or unheld_pages(replace(snapshot, wal=b""))) * PAGE
    return Snapshot(snapshot.database[: rng.randrange(1, end)], wal, 0)


def rotten_page(snapshot: Snapshot, rng: Random) -> Snapshot:
    """A page of the database that nothing else holds is noise: no power cut does this."""
    rotten = unheld_pages(snapshot)
    wal = snapshot.wal if rotten else b""
    start = (rng.choice(rotten or unheld_pages(replace(snapshot, wal=b""))) - 1) * PAGE
    noise = rng.randbytes(PAGE)
    return Snapshot(snapshot.database[:start] + noise + snapshot.database[start + PAGE :], wal, 0)


POWER_CUTS: Final[dict[str, Damage]] = {
    damage.__name__: damage for damage in (as_it_stood, cut_wal, torn_wal, torn_checkpoint)
}
"""What a crash may leave: always recovered."""
BAD_BACKUPS: Final[dict[str, Damage]] = {damage.__name__: damage for damage in (short_database, rotten_page)}
"""What only a bad copy looks like: refused, or told by SQLite's integrity check, never taken for whole."""


def unheld_pages(snapshot: Snapshot) -> list[int]:
    """The pages that are in the database alone, the first one left out."""
    held = committed_pages(snapshot.wal)
    return [page for page in range(2, len(snapshot.database) // PAGE + 1) if page not in held]


def committed_pages(wal: bytes) -> set[int]:
    """The pages that a reader finds in the WAL, up to its last commit; frames of an earlier round do not count."""
    salt, pages, pending = wal[16:24], set[int](), set[int]()
    for start in range(WAL_HEADER, len(wal) - FRAME + 1, FRAME):
        page, size_after_commit = struct.unpack_from(">II", wal, start)
        if wal[start + 8 : start + 16] != salt:
            break
        pending.add(page)
        if size_after_commit:
            pages |= pending
            pending = set()
    return pages


def examine(snapshot: Snapshot, folder: Path, *, repeat: bool) -> tuple[str, list[str]]:
    """Open a copy as `recorder run` would, and judge what is there.

    Returns one of the four verdicts, and whatever was taken for whole and is not.
    `repeat` also lets every stored answer arrive once more.
    """
    path = folder / "copy.db"
    for name, content in {"": snapshot.database, "-wal": snapshot.wal, "-shm": b""}.items():
        file = Path(f"{path}{name}")
        file.write_bytes(content) if content else file.unlink(missing_ok=True)
    try:
        engine = db.open_engine(f"sqlite:///{path}").execution_options(compiled_cache=COMPILED)
    except DatabaseError as refusal:
        return REFUSED, _more_than_a_sentence(refusal)
    try:
        with database_errors(engine):
            return _judge(engine, repeat=repeat)
    except DatabaseError as refusal:
        return REFUSED, _more_than_a_sentence(refusal)
    finally:
        engine.dispose()


def _judge(engine: Engine, *, repeat: bool) -> tuple[str, list[str]]:
    if db.current_revision(engine) is None:
        return EMPTY, []
    db.upgrade(engine)
    if any(torn_pages(engine)):
        return TOLD, []
    with Session(engine) as session:
        wrong = [*wrong_instants(session), *illegal_states(session), *doubled_results(session)]
    return RECOVERED, wrong + (list(changes_by_repeating(engine)) if repeat else [])


def _more_than_a_sentence(refusal: DatabaseError) -> list[str]:
    text = str(refusal)
    return [f"the refusal is no sentence: {text!r}"] if "\n" in text or not text else []


def try_copies(
    daemon: Child, database: Path, folder: Path, *, rng: Random, snapshots: int, damages: dict[str, Damage]
) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Take snapshots of a database at work, damage each in every way, and examine the copies.

    Returns how often each damage led to what, and every copy that was taken for whole and is not.
    """
    verdicts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    for number in range(snapshots):
        wait_for_any([daemon], rng.uniform(0.0, 0.1))
        snapshot = freeze(daemon, database)
        for name, damage in damages.items():
            verdict, lines = examine(damage(snapshot, rng), folder, repeat=number % 20 == 0)
            verdicts[name, verdict] += 1
            wrong += [f"{name} of snapshot {number}: {line}" for line in lines]
    return verdicts, wrong


def _wait_until_stopped(pid: int) -> None:
    give_up_at = monotonic() + 10.0
    while not all(state == "T" for state in _thread_states(pid)):
        assert monotonic() < give_up_at, "the daemon does not stop"


def _thread_states(pid: int) -> Iterator[str]:
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        yield stat.read_text().rpartition(")")[2].split()[0]
