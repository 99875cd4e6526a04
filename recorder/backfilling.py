"""Use case: fetch the check results that Checkly still keeps, and store those that belong to no recorded session.

Nothing is triggered. Results of one run become a session with the origin `backfill` and the status BACKFILLED, out of
the rates: Checkly never told us its status, and runs of another schedule are another population. Doing it again, or
going on after a stop, changes no row that is there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy.orm import Session

from recorder import ambiguous
from recorder.check_results import CheckResultEntry
from recorder.checkly import ChecklyClient
from recorder.db import transact
from recorder.errors import DatabaseError
from recorder.evidence import WINDOW_AFTER, is_in_window
from recorder.outcomes import BACKFILLED
from recorder.payloads import Malformed
from recorder.quarantine import keep_once
from recorder.result_pages import fetch_pages
from recorder.stand_in_store import load_owners
from recorder.stand_ins import Run, runs_of, session_from
from recorder.store import Recording, Written, record_sessions
from recorder.wiring import Parts
from recorder.writing import BATCH, write_together

SLICE: Final = timedelta(days=7)
"""What is held in memory of a check, and what a stop loses at most."""
MARGIN: Final = WINDOW_AFTER
"""How far a run may reach over the edge of a slice, and how old it must be to be over: the longest take as much."""
TRIES: Final = 5
MALFORMED: Final = "check_result"
"""The kind of payload that keeps an entry which could not be read."""


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What was done: results seen in the window, and what became of them; all but `written` are numbers of results.

    `known`: in the history before. `unsettled`: their run may not be over, or its session is still followed. `refused`:
    the tables would not take them. `malformed`: entries that could not be read, kept as they are.
    """

    results: int = 0
    known: int = 0
    unsettled: int = 0
    refused: int = 0
    malformed: int = 0
    written: Written = field(default_factory=Written)

    def __add__(self, other: "Backfilled") -> "Backfilled":
        return Backfilled(
            self.results + other.results,
            self.known + other.known,
            self.unsettled + other.unsettled,
            self.refused + other.refused,
            self.malformed + other.malformed,
            self.written + other.written,
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the window, [start, end), of one check."""

    check: ambiguous.KnownCheck
    start: datetime
    end: datetime


def slices_of(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The window in parts of at most a week, the oldest first: Checkly forgets it first."""
    starts = [start + n * SLICE for n in range(-(-(end - start) // SLICE))]
    return [(one, min(one + SLICE, end)) for one in starts]


def backfill_check(
    parts: Parts,
    check_id: UUID,
    *,
    start: datetime,
    end: datetime,
    on_trouble: Callable[[str], None],
    on_slice: Callable[[], None] = lambda: None,
    tries: int = TRIES,
) -> Backfilled:
    """Store what Checkly keeps of one check in [start, end) and nobody has recorded; less when the process stops.

    `on_trouble` gets a sentence for what could not be read or stored. Raises NoSuchThing and BadAnswer, which say
    something of this check alone, the other errors of the client, and DatabaseError; what was written before stays.
    """
    done = Backfilled()
    check = transact(parts.engine, lambda db: ambiguous.load_known_check(db, check_id))
    with parts.new_client() as client:
        for first, last in slices_of(start, end):
            one = Slice(check, first, last)
            fetched = _fetch(parts, client, one, tries)
            if fetched is None:
                return done
            done += _store(parts, one, *fetched, on_trouble)
            on_slice()
    return done


def _fetch(
    parts: Parts, client: ChecklyClient, one: Slice, tries: int
) -> tuple[list[CheckResultEntry], list[Malformed]] | None:
    """Everything in the slice and a margin on both sides, so that no run is cut; None when the process stops."""
    entries: list[CheckResultEntry] = []
    malformed: list[Malformed] = []
    start, end = one.start - MARGIN, one.end + MARGIN
    for page in fetch_pages(parts, client, one.check.check_id, start=start, end=end, tries=tries):
        entries += page.entries
        malformed += page.malformed
    return None if parts.stop.is_set() else (entries, malformed)


def _store(
    parts: Parts,
    one: Slice,
    entries: Sequence[CheckResultEntry],
    malformed: Sequence[Malformed],
    on_trouble: Callable[[str], None],
) -> Backfilled:
    refused = 0

    def leave_out(run: Run, error: DatabaseError) -> None:
        nonlocal refused
        refused += len(run.entries)
        on_trouble(f"check {one.check.check_id}, {run.key}: {error}")
        pieces = [Malformed(f"{run.key}: {error}", entry.raw) for entry in run.entries]
        transact(parts.engine, partial(keep_once, pieces=pieces, now=parts.now(), kind=MALFORMED))

    own = (entry for entry in entries if entry.check_id == one.check.check_id)
    runs = [run for run in runs_of(own) if one.start <= (run.started_at or one.start) < one.end]
    done = Backfilled(results=sum(len(run.entries) for run in runs), malformed=len(malformed))
    for start in range(0, len(runs), BATCH):
        write = partial(_write, check=one.check, now=parts.now())
        done = sum(write_together(parts.engine, runs[start : start + BATCH], write, on_poison=leave_out), done)
    if malformed:
        transact(parts.engine, partial(keep_once, pieces=malformed, now=parts.now(), kind=MALFORMED))
        on_trouble(f"check {one.check.check_id}: {len(malformed)} entries cannot be read ({malformed[0].why})")
    return done + Backfilled(refused=refused)


def _write(db: Session, runs: Sequence[Run], check: ambiguous.KnownCheck, now: datetime) -> Backfilled:
    """Judge the runs by what is recorded in this very transaction, and write those that nobody has."""
    owners = load_owners(db, [entry.check_result_id for run in runs for entry in run.entries])
    followed = [session.started_at for session in ambiguous.load_followed(db, check.check_id)]
    known = unsettled = 0
    recordings: list[Recording] = []
    for run in runs:
        statuses = {owners.get(entry.check_result_id) for entry in run.entries}
        if statuses - {None, BACKFILLED} or None not in statuses:
            known += len(run.entries)
        elif not run.has_final or _may_go_on(run, followed, now):
            unsettled += len(run.entries)
        else:
            recordings.append(_recording(check, run, now))
    written = record_sessions(db, recordings, now=now)
    return Backfilled(known=known, unsettled=unsettled, written=written)


def _may_go_on(run: Run, followed: Sequence[datetime], now: datetime) -> bool:
    """Whether more of the run may come, or come to a session that the recorder still follows."""
    started_at = run.started_at
    if started_at is None:
        return True
    return now - started_at < MARGIN or any(is_in_window(started_at, session) for session in followed)


def _recording(check: ambiguous.KnownCheck, run: Run, now: datetime) -> Recording:
    snapshot = session_from(
        run.entries,
        check_session_id=uuid5(NAMESPACE_OID, f"backfill check {check.check_id} {run.key}"),
        check_type=check.check_type,
        status=BACKFILLED,
        started_at=run.started_at or now,
        name=next((entry.name for entry in reversed(run.entries) if entry.name is not None), None),
    )
    return Recording(snapshot, "backfill", closes=True, excluded=True)
