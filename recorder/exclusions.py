"""Every write of exclusions: spans that a person takes out of the adjusted figures; who, when and why stay for ever.

Takes a `Session`, never commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from recorder.models import Check, Exclusion, RunLocation


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """A check that is recorded."""

    pk: int
    check_id: UUID
    name: str | None


def record_exclusion(
    db: Session,
    *,
    starts_at: datetime,
    ends_at: datetime,
    check_pk: int | None,
    run_location_pk: int | None,
    reason: str,
    now: datetime,
    who: str,
) -> int:
    """Write an exclusion of `[starts_at, ends_at)`, of one check and location or of all (None); its id."""
    row = Exclusion(
        starts_at=starts_at,
        ends_at=ends_at,
        check_pk=check_pk,
        run_location_pk=run_location_pk,
        reason=reason,
        created_at=now,
        created_by=who,
    )
    db.add(row)
    db.flush()
    return row.pk


def remove_exclusion(db: Session, exclusion_pk: int, *, now: datetime, who: str) -> bool:
    """Mark an exclusion as removed, once; False when there is none that holds."""
    holds = (Exclusion.pk == exclusion_pk, Exclusion.removed_at.is_(None))
    removed = update(Exclusion).where(*holds).values(removed_at=now, removed_by=who).returning(Exclusion.pk)
    return db.execute(removed).first() is not None


def load_known_checks(db: Session) -> Sequence[NamedCheck]:
    """Every check that is recorded, by name."""
    found = db.execute(select(Check.pk, Check.check_id, Check.name).order_by(Check.name, Check.check_id))
    return [NamedCheck(*row) for row in found]


def load_run_location_keys(db: Session) -> dict[str, int]:
    """The key of every run location that is recorded."""
    return dict(db.execute(select(RunLocation.name, RunLocation.pk).order_by(RunLocation.name)).all())
