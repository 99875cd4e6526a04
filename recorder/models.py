"""The tables, in SQLAlchemy's typed style: compact rows for a history that is kept for ever.

Every table has an integer key `pk`; a column `<thing>_pk` points at it. The ids that Checkly shows are UUIDs (16 bytes
on SQLite). People read the views (`views.py`), where keys are resolved and ids are hyphenated text.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from recorder.clock import floor_to_ms

MILLISECONDS: Final[Double[float]] = Double().with_variant(Numeric(asdecimal=False), "sqlite")
"""A duration that may have a fraction; SQLite stores and shows a whole one as an integer, in fewer bytes."""

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


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant in milliseconds; a naive datetime is refused where it would be written.

    PostgreSQL: `timestamptz(3)`. SQLite: text "2026-11-22 05:06:07.123", which sorts, is indexed, compares with
    `datetime('now', '-7 days')` and is readable in any SQLite browser.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, a timestamp with time zone elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(23))
        return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True, precision=3))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Raises ValueError for a naive datetime."""
        if value is None:
            return None
        instant = value if value.tzinfo is UTC else floor_to_ms(value)
        if dialect.name == "sqlite":
            return instant.isoformat(" ", "milliseconds")[:23]  # cut, not rounded; the rest is the offset
        return instant.replace(microsecond=instant.microsecond // 1000 * 1000)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Always aware and in UTC."""
        if value is None:
            return None
        instant: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


class UuidKey(TypeDecorator[UUID]):
    """A UUID: native on PostgreSQL, 16 bytes on SQLite."""

    impl = LargeBinary(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """16 bytes on SQLite, `uuid` elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary(16))
        return dialect.type_descriptor(postgresql.UUID(as_uuid=True))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        """The form that the database stores."""
        return value.bytes if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        """A UUID whatever the database stored."""
        return UUID(bytes=bytes(value)) if isinstance(value, bytes | memoryview) else value


Key: Final = BigInteger().with_variant(Integer(), "sqlite")
"""An integer key: on SQLite the rowid itself."""


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
    stopped_at: Mapped[datetime | None]
    time_elapsed_ms: Mapped[float | None] = mapped_column(MILLISECONDS)
    run_source: Mapped[str | None]
    location_set_pk: Mapped[int] = mapped_column(Key, ForeignKey("location_sets.pk"))
    has_attempts: Mapped[bool] = mapped_column(default=False)
    excluded: Mapped[bool] = mapped_column(default=False)
    recorded_at: Mapped[datetime]
    settling_since: Mapped[datetime | None]  # first time the status was final while a location had no FINAL yet
    final_at: Mapped[datetime | None]
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
    started_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]


class Payload(Base):
    """Raw JSON as Checkly sent it, deflated: the newest of each session, and every answer that could not be read."""

    __tablename__ = "payloads"

    pk: Mapped[int] = _key()
    kind: Mapped[str]  # session | trigger | malformed
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


def is_sqlite(engine: Engine) -> bool:
    """Whether the engine talks to SQLite."""
    return engine.dialect.name == "sqlite"
