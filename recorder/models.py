"""The tables, in SQLAlchemy's typed style: compact rows for a history that is kept for ever.

Every table has an integer key `pk`; a column `<thing>_pk` points at it. The ids that Checkly shows are UUIDs (16 bytes
on SQLite). People read the views (`views.py`), where keys are resolved and ids are hyphenated text.
"""

from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    Engine,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from recorder.columns import MILLISECONDS, CompactInstant, Key, UtcDateTime, UuidKey

FIRE_STATES: Final = (
    "due",
    "intent",
    "triggered",
    "no_match",
    "rejected",
    "ambiguous",
    "missed",
    "skipped",
)


class Base(DeclarativeBase):
    """The declarative base; the naming convention lets migrations name what they drop."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        UUID: UuidKey(),
        str: Text(),
        float: Double(),
    }


def _key() -> Mapped[int]:
    return mapped_column(Key, primary_key=True)


class Schedule(Base):
    """What is triggered and when; `cursor` is the last instant that has been turned into fires."""

    __tablename__ = "schedules"

    pk: Mapped[int] = _key()
    name: Mapped[str] = mapped_column(unique=True)
    definition: Mapped[str]
    cursor: Mapped[datetime]
    paused: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class Fire(Base):
    """One due instant of a schedule, or one trigger asked for by hand: at most one POST is ever sent for it."""

    __tablename__ = "fires"
    __table_args__ = (
        UniqueConstraint("schedule_pk", "scheduled_for"),
        CheckConstraint(f"state IN ({', '.join(repr(state) for state in FIRE_STATES)})", name="state"),
        Index(None, "state", "scheduled_for"),
    )

    pk: Mapped[int] = _key()
    schedule_pk: Mapped[int | None] = mapped_column(Key, ForeignKey("schedules.pk"))
    origin: Mapped[str]  # schedule | manual
    scheduled_for: Mapped[datetime]
    not_before: Mapped[datetime]  # scheduled_for plus the jitter
    state: Mapped[str]
    reason: Mapped[str | None]
    owner: Mapped[UUID | None]
    attempt: Mapped[int] = mapped_column(default=0)
    first_intent_at: Mapped[datetime | None]  # of the first try; the grace of a late fire counts from here
    intent_at: Mapped[datetime | None]
    outcome_at: Mapped[datetime | None]
    http_status: Mapped[int | None]
    session_count: Mapped[int | None]
    request_body: Mapped[str | None]
    request_sha256: Mapped[str | None]
    gap_until: Mapped[datetime | None]  # a gap row stands for every instant in [scheduled_for, gap_until]
    gap_count: Mapped[int | None]
    evidence: Mapped[str | None]  # strong | weak | none, of an ambiguous fire that was reconciled
    reconciled_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]  # when a person decided what became of an ambiguous fire
    resolved_by: Mapped[str | None]


class RunningDaemon(Base):
    """A daemon process: it is alive while `seen_at` is young by the database's clock."""

    __tablename__ = "daemons"

    pk: Mapped[int] = _key()
    owner: Mapped[UUID] = mapped_column(unique=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    refused_since: Mapped[datetime | None]  # Checkly answers 401, 402 or 403: the circuit is open
    refused_why: Mapped[str | None]


class Check(Base):
    """A check as it was last seen."""

    __tablename__ = "checks"

    pk: Mapped[int] = _key()
    check_id: Mapped[UUID] = mapped_column(unique=True)
    name: Mapped[str | None]
    check_type: Mapped[str]
    link: Mapped[str | None]  # the check's page at Checkly; a session's page is this plus /check-sessions/ID
    seen_at: Mapped[datetime]  # start of the newest session that told us the name


class RunLocation(Base):
    """A public location code or the name that a user gave a private location."""

    __tablename__ = "run_locations"

    pk: Mapped[int] = _key()
    name: Mapped[str] = mapped_column(unique=True)


class LocationSet(Base):
    """A set of run locations that sessions share; `run_locations` is a sorted JSON array of their names."""

    __tablename__ = "location_sets"

    pk: Mapped[int] = _key()
    digest: Mapped[str] = mapped_column(String(32), unique=True)
    run_locations: Mapped[str]


class LocationSetMember(Base):
    """Which locations a set holds."""

    __tablename__ = "location_set_members"

    location_set_pk: Mapped[int] = mapped_column(Key, ForeignKey("location_sets.pk"), primary_key=True)
    run_location_pk: Mapped[int] = mapped_column(Key, ForeignKey("run_locations.pk"), primary_key=True)


class CheckSession(Base):
    """One check session. It is open while `next_poll_at` is set, and final once `final_at` is."""

    __tablename__ = "check_sessions"
    __table_args__ = (
        Index(None, "check_pk", "started_at"),
        Index(None, "started_at"),
        Index(None, "fire_pk"),
        Index(
            None,
            "next_poll_at",
            sqlite_where=text("next_poll_at IS NOT NULL"),
            postgresql_where=text("next_poll_at IS NOT NULL"),
        ),
    )

    pk: Mapped[int] = _key()
    check_session_id: Mapped[UUID] = mapped_column(unique=True)
    check_pk: Mapped[int] = mapped_column(Key, ForeignKey("checks.pk"))
    fire_pk: Mapped[int | None] = mapped_column(Key, ForeignKey("fires.pk"))
    origin: Mapped[str]  # schedule | manual | import | backfill | reconciled
    status: Mapped[str]
    outcome: Mapped[str | None]
    started_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None] = mapped_column(CompactInstant)
    time_elapsed_ms: Mapped[float | None] = mapped_column(MILLISECONDS)
    run_source: Mapped[str | None]
    location_set_pk: Mapped[int] = mapped_column(Key, ForeignKey("location_sets.pk"))
    has_attempts: Mapped[bool] = mapped_column(default=False)
    excluded: Mapped[bool] = mapped_column(default=False)
    recorded_at: Mapped[datetime] = mapped_column(CompactInstant)
    settling_since: Mapped[datetime | None]  # first time the status was final while a location had no FINAL yet
    final_at: Mapped[datetime | None] = mapped_column(CompactInstant)
    next_poll_at: Mapped[datetime | None]
    expected_at: Mapped[datetime | None]  # when an open session is expected to end: who is asked for first
    deadline_at: Mapped[datetime | None]
    cancel_on_timeout: Mapped[bool] = mapped_column(default=False, server_default=false())
    missing_since: Mapped[datetime | None]  # first of an unbroken row of 404s for a session that is known
    abandoned_at: Mapped[datetime | None]
    abandoned_reason: Mapped[str | None]  # timeout | gone
    is_partial: Mapped[bool] = mapped_column(server_default=false())  # closed while a location had no FINAL


class CheckResult(Base):
    """One result of a session at one location: the FINAL, or an ATTEMPT before it."""

    __tablename__ = "check_results"
    __table_args__ = (Index(None, "session_pk"),)

    pk: Mapped[int] = _key()
    check_result_id: Mapped[UUID] = mapped_column(unique=True)
    session_pk: Mapped[int] = mapped_column(Key, ForeignKey("check_sessions.pk"))
    run_location_pk: Mapped[int] = mapped_column(Key, ForeignKey("run_locations.pk"))
    result_type: Mapped[str | None]
    has_errors: Mapped[bool | None]
    has_failures: Mapped[bool | None]
    is_degraded: Mapped[bool | None]
    aborted: Mapped[bool | None]
    is_cancelled: Mapped[bool | None]
    outcome: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)  # of a FINAL: the failed tries that belong to it
    response_time_ms: Mapped[float | None] = mapped_column(MILLISECONDS)
    started_at: Mapped[datetime | None] = mapped_column(CompactInstant)
    stopped_at: Mapped[datetime | None] = mapped_column(CompactInstant)


class Payload(Base):
    """Raw JSON as Checkly sent it, deflated: the newest of each session, and every answer that could not be read."""

    __tablename__ = "payloads"

    pk: Mapped[int] = _key()
    kind: Mapped[str]  # session | trigger | malformed | check_result
    session_pk: Mapped[int | None] = mapped_column(Key, ForeignKey("check_sessions.pk"), unique=True)
    fire_pk: Mapped[int | None] = mapped_column(Key, ForeignKey("fires.pk"), index=True)
    received_at: Mapped[datetime]
    why: Mapped[str | None]
    body: Mapped[bytes] = mapped_column(LargeBinary)


class ContractSurprise(Base):
    """What Checkly sent that the contract does not know (a field, an enum value), and how often."""

    __tablename__ = "contract_surprises"

    pk: Mapped[int] = _key()
    what: Mapped[str] = mapped_column(String(400), unique=True)
    times: Mapped[int] = mapped_column(BigInteger)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class Exclusion(Base):
    """A span of time that a person takes out of the adjusted figures; never deleted, changed by its removal alone."""

    __tablename__ = "exclusions"
    __table_args__ = (CheckConstraint("starts_at < ends_at", name="order"),)

    pk: Mapped[int] = _key()
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]  # exclusive
    check_pk: Mapped[int | None] = mapped_column(Key, ForeignKey("checks.pk"))  # null: every check
    run_location_pk: Mapped[int | None] = mapped_column(Key, ForeignKey("run_locations.pk"))  # null: every location
    reason: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[str | None]


class Delivery(Base):
    """Up to which due instant the reports of one delivery are written, and which daemon is writing the next one."""

    __tablename__ = "deliveries"

    pk: Mapped[int] = _key()
    name: Mapped[str] = mapped_column(unique=True)
    cursor: Mapped[datetime]
    claimed_by: Mapped[UUID | None]
    claimed_at: Mapped[datetime | None]


def is_sqlite(engine: Engine) -> bool:
    """Whether the engine talks to SQLite."""
    return engine.dialect.name == "sqlite"
