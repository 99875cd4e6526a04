"""What must hold after every campaign, whatever was killed: read from the database and the witness, by SQL.

Each check yields one line for each violation. The numbers are those of the promise: 1 one row per instant, 2 one POST
per fire, 3 no POST without a trace, 4 no session lost, 5 final once, 6 nothing twice, 7 nothing stuck, 8 nothing torn.
"""

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from recorder.clock import utc_now
from recorder.db import transact
from recorder.durations import parse_duration
from recorder.json_fields import load_json
from recorder.ledger import Reason
from recorder.models import Base, CheckResult, CheckSession, Fire, Payload, Schedule
from recorder.payloads import parse_session
from recorder.simulator.witness import Testimony, TriggerRecord
from recorder.store import Recording, record_sessions
from tests.factories import dump
from tests.kill.points import FIRE_HEADER

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
CLOCKS_AGREE: Final = timedelta(milliseconds=100)
"""How well the database's clock, as a daemon carries it on, agrees with the witness's."""
REASONS: Final[dict[str, frozenset[str | None]]] = {
    "due": frozenset({None, Reason.NETWORK, Reason.RATE_LIMITED}),
    "intent": frozenset({None}),
    "triggered": frozenset({None}),
    "no_match": frozenset({None}),
    "rejected": frozenset(
        {Reason.HTTP_400, Reason.HTTP_401, Reason.HTTP_402, Reason.HTTP_403, Reason.REDIRECT, Reason.BUDGET}
    ),
    "ambiguous": frozenset(
        {
            Reason.OWNER_LOST,
            Reason.READ_TIMEOUT,
            Reason.CONN_RESET,
            Reason.HTTP_5XX,
            Reason.BAD_BODY,
            Reason.COMMIT_LOST,
        }
    ),
    "missed": frozenset(
        {
            Reason.DAEMON_DOWN,
            Reason.LATE_AFTER_GRACE,
            Reason.DB_UNAVAILABLE,
            Reason.STALLED,
            Reason.CLOCK_JUMP,
            Reason.RATE_LIMITED,
            Reason.NETWORK,
        }
    ),
    "skipped": frozenset(
        {
            Reason.OVERLAP,
            Reason.PAUSED,
            Reason.COALESCED,
            Reason.CONFIG_REMOVED,
            Reason.CIRCUIT_OPEN,
            Reason.SHUTTING_DOWN,
            Reason.MAINTENANCE,
        }
    ),
}
"""The reasons that each state may carry."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: its number, and what was found."""

    number: int
    text: str

    def __str__(self) -> str:
        return f"({self.number}) {self.text}"


Sightings: TypeAlias = dict[UUID, datetime]
"""When each final session became final, as it was first seen."""


def check_ledger(engine: Engine, testimony: Testimony, sightings: Sightings, spool: Path) -> list[Violation]:
    """Every violation of the eight promises, after the last daemon has drained the ledger and stopped."""
    with Session(engine) as db:
        found: list[tuple[int, Iterator[str]]] = [
            (1, wrong_instants(db)),
            (1, illegal_states(db)),
            (2, double_posts(db, testimony)),
            (3, posts_without_trace(db, testimony)),
            (4, lost_sessions(db, testimony)),
            (5, moved_finals(db, sightings)),
            (6, doubled_results(db)),
            (7, stuck_rows(db)),
            (7, waiting_answers(spool)),
        ]
        violations = [Violation(number, line) for number, lines in found for line in lines]
    violations += [Violation(8, line) for line in torn_pages(engine)]
    return violations + [Violation(6, line) for line in changes_by_repeating(engine)]  # last, for it writes


def wrong_instants(db: Session) -> Iterator[str]:
    """Instants in (first cursor, cursor] that have no row or several, and rows for what is no instant."""
    for schedule in db.scalars(select(Schedule)):
        every = parse_duration(json.loads(schedule.definition)["every"])
        expected = Counter(multiples(every, schedule.created_at, schedule.cursor))
        rows = db.execute(
            select(Fire.scheduled_for, Fire.gap_until).where(Fire.schedule_pk == schedule.pk, Fire.origin == "schedule")
        )
        found: Counter[datetime] = Counter()
        for scheduled_for, gap_until in rows:
            found.update(multiples(every, scheduled_for - MILLISECOND, gap_until or scheduled_for))
            if (scheduled_for - EPOCH) % every:
                yield f"{schedule.name}: {scheduled_for} is no instant of it"
        for instant in sorted(expected | found):
            if found[instant] != expected[instant]:
                yield f"{schedule.name}: {instant} has {found[instant]} rows instead of {expected[instant]}"


def multiples(every: timedelta, after: datetime, until: datetime) -> Iterator[datetime]:
    """The multiples of a duration since the epoch in (after, until]."""
    at = EPOCH + ((after - EPOCH) // every + 1) * every
    while at <= until:
        yield at
        at += every


def illegal_states(db: Session) -> Iterator[str]:
    """Fires whose state and reason are not in the closed list, or that ended without saying when."""
    for state, reason, times in db.execute(select(Fire.state, Fire.reason, func.count()).group_by("state", "reason")):
        if reason not in REASONS[state]:
            yield f"{times} fires are {state} because of {reason}"
    timeless = Fire.outcome_at.is_(None) & Fire.state.not_in(("due", "intent"))
    yield from (f"fire {pk} has ended without a time" for pk in db.scalars(select(Fire.pk).where(timeless)))


def double_posts(db: Session, testimony: Testimony) -> Iterator[str]:
    """Fires for which the witness acted on more than one POST: by the label, and by the sessions that came of it."""
    for pk, times in Counter(map(fire_of, testimony.triggers)).items():
        if times > 1:
            yield f"fire {pk} was sent {times} times"
    owners = _fire_of_sessions(db)
    origins: dict[int | None, set[int]] = {}
    for record in testimony.triggers:
        fires = {owners[one] for one in map(UUID, record.check_session_ids) if one in owners}
        if not fires <= {fire_of(record)}:
            yield f"POST {record.sequence} for fire {fire_of(record)} has its sessions at fires {fires}"
        for owner in fires:
            origins.setdefault(owner, set()).add(record.sequence)
    for owner, posts in origins.items():
        if len(posts) > 1:
            yield f"fire {owner} has sessions of POSTs {sorted(posts)}"


def posts_without_trace(db: Session, testimony: Testimony) -> Iterator[str]:
    """POSTs that the witness acted on and whose fire says otherwise; triggered fires that it never saw."""
    fires = {fire.pk: fire for fire in db.scalars(select(Fire))}
    for record in testimony.triggers:
        fire = fires.get(fire_of(record))
        if fire is None or fire.intent_at is None or fire.state not in {"triggered", "ambiguous"}:
            state = "in no ledger" if fire is None else f"{fire.state} ({fire.reason})"
            yield f"POST {record.sequence} was acted on, its fire {fire_of(record)} is {state}"
            continue
        if json.loads(fire.request_body or "null") != record.body:
            yield f"POST {record.sequence} carried another body than the intent of fire {fire.pk}"
        received_at = datetime.fromisoformat(record.received_at)
        if received_at < fire.intent_at - CLOCKS_AGREE:
            yield f"POST {record.sequence} arrived at {received_at}, before the intent of {fire.intent_at}"
    seen = set(map(fire_of, testimony.triggers))
    yield from (
        f"fire {pk} is triggered, no POST arrived"
        for pk, f in fires.items()
        if f.state == "triggered" and pk not in seen
    )


def lost_sessions(db: Session, testimony: Testimony) -> Iterator[str]:
    """Sessions of triggered fires that are not stored, and stored ones that nobody started."""
    stored = _fire_of_sessions(db)
    triggered = set(db.scalars(select(Fire.pk).where(Fire.state == "triggered")))
    started = {UUID(one) for record in testimony.triggers for one in record.check_session_ids}
    for record in testimony.triggers:
        if fire_of(record) in triggered:
            lost = [one for one in record.check_session_ids if UUID(one) not in stored]
            yield from (f"session {one} of fire {fire_of(record)} is not stored" for one in lost)
    yield from (f"session {one} is stored, nobody started it" for one in stored.keys() - started)


def sight_finals(engine: Engine) -> Sightings:
    """The final sessions as they are now."""
    with Session(engine) as db:
        rows = db.execute(
            select(CheckSession.check_session_id, CheckSession.final_at).where(CheckSession.final_at.is_not(None))
        )
        return {one: at for one, at in rows if at is not None}


def moved_finals(db: Session, sightings: Sightings) -> Iterator[str]:
    """Sessions that were once final, and now are not, or have become so at another time."""
    now = {
        session.check_session_id: session
        for session in db.scalars(select(CheckSession).where(CheckSession.check_session_id.in_(list(sightings))))
    }
    for one, final_at in sightings.items():
        session = now.get(one)
        if session is None or session.final_at != final_at or session.outcome is None:
            yield f"session {one}, final at {final_at}, is now final at {session and session.final_at}"
        elif session.next_poll_at is not None:
            yield f"session {one} is final and still asked for"


def doubled_results(db: Session) -> Iterator[str]:
    """Results and sessions that are there twice; counted without the unique index that should prevent it."""
    for column in (CheckResult.check_result_id, CheckSession.check_session_id):
        ids = Counter(db.scalars(select(column)))
        yield from (f"{column} {one} has {times} rows" for one, times in ids.items() if times > 1)


def stuck_rows(db: Session) -> Iterator[str]:
    """What is neither over nor given up, now that nothing is left to wait for."""
    for fire in db.scalars(select(Fire).where(Fire.state.in_(("due", "intent")))):
        yield f"fire {fire.pk} of {fire.scheduled_for} is {fire.state} for ever"
    open_ones = CheckSession.final_at.is_(None) & CheckSession.abandoned_at.is_(None)
    for session in db.scalars(select(CheckSession).where(open_ones)):
        yield f"session {session.check_session_id} is {session.status} for ever"


def waiting_answers(spool: Path) -> Iterator[str]:
    """Answers that were received and never reached the database."""
    yield from (f"{path.name} still lies in the spool" for path in spool.glob("*.json"))


def changes_by_repeating(engine: Engine) -> Iterator[str]:
    """Rows that change when every stored answer arrives once more, and the answer to the trigger after it."""
    before = dump(engine)
    with Session(engine) as db:
        found = db.execute(
            select(Payload.body, CheckSession.origin).join(CheckSession, Payload.session_pk == CheckSession.pk)
        ).all()
    answers: list[tuple[Any, str]] = [(load_json(zlib.decompress(body)), origin) for body, origin in found]
    finals = [(answer, origin) for answer, origin in answers if parse_session(answer).is_final]
    repeated = [Recording(parse_session(answer), origin, closes=True) for answer, origin in finals]
    beginning: dict[str, Any] = {"status": "STARTED", "stoppedAt": None, "results": []}
    stale = [Recording(parse_session({**answer, **beginning}), origin, closes=False) for answer, origin in finals]
    for recordings in (repeated, stale, repeated):
        transact(engine, partial(_record, recordings))
    after = dump(engine)
    for table, rows in before.items():
        changed = [row for row, same in zip(rows, after[table], strict=False) if row != same]
        if changed or len(rows) != len(after[table]):
            added = len(after[table]) - len(rows)
            yield f"{table}: {len(changed)} rows changed and {added} were added by a repeated answer"


def torn_pages(engine: Engine) -> Iterator[str]:
    """What the database itself finds wrong, and references that lead nowhere."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            for (line,) in connection.exec_driver_sql("PRAGMA integrity_check"):
                if line != "ok":
                    yield f"integrity: {line}"
        for table in Base.metadata.sorted_tables:
            for key in table.foreign_keys:
                parent, column = key.column.table.alias(), key.parent
                orphans = (
                    select(func.count())
                    .select_from(table.outerjoin(parent, parent.c[key.column.name] == column))
                    .where(column.is_not(None), parent.c[key.column.name].is_(None))
                )
                if count := connection.execute(orphans).scalar_one():
                    yield f"{count} rows of {table.name}.{column.name} lead nowhere"


def fire_of(record: TriggerRecord) -> int:
    """The fire that a POST says it is for; 0 when it says nothing."""
    return int(record.headers.get(FIRE_HEADER, "0"))


def _fire_of_sessions(db: Session) -> dict[UUID, int | None]:
    return dict(db.execute(select(CheckSession.check_session_id, CheckSession.fire_pk)).all())


def _record(recordings: list[Recording], db: Session) -> None:
    record_sessions(db, recordings, now=utc_now())
