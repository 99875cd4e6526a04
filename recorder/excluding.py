"""Use cases of exclusions: a person takes a span out of the adjusted figures, or takes that back.

No row of the history changes: a report counts everything, and shows beside it what is left without the exclusions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from recorder import exclusions
from recorder.clock import Clock, utc_now
from recorder.config_fields import check_text
from recorder.db import transact
from recorder.errors import UsageError
from recorder.exclusions import NamedCheck
from recorder.wording import quoted, suggestion


@dataclass(frozen=True, slots=True)
class Span:
    """`[starts_at, ends_at)` of a check (its name or id) and a run location; None = all of them."""

    starts_at: datetime
    ends_at: datetime
    check: str | None = None
    run_location: str | None = None


def add_exclusion(engine: Engine, span: Span, *, reason: str, who: str, now: Clock = utc_now) -> int:
    """Write an exclusion; its id.

    Raises UsageError without a reason, and for a check or location that is not recorded: it would exclude nothing.
    """
    try:
        why = check_text(reason.strip())
    except ValueError as error:
        raise UsageError(f"--reason {error}; it stands in every report") from None

    def write(db: Session) -> int:
        return exclusions.record_exclusion(
            db,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            check_pk=None if span.check is None else _check_pk(exclusions.load_known_checks(db), span.check),
            run_location_pk=None if span.run_location is None else _location_pk(db, span.run_location),
            reason=why,
            now=now(),
            who=who,
        )

    return transact(engine, write)


def remove_exclusion(engine: Engine, exclusion_id: int, *, who: str, now: Clock = utc_now) -> None:
    """Take an exclusion back; its row stays. Raises UsageError when there is none that holds."""
    if not transact(engine, lambda db: exclusions.remove_exclusion(db, exclusion_id, now=now(), who=who)):
        raise UsageError(f"there is no exclusion {exclusion_id} that holds: recorder exclude list --all shows each")


def _check_pk(known: Sequence[NamedCheck], wanted: str) -> int:
    fitting = [one for one in known if wanted == one.name or wanted.lower() == str(one.check_id)]
    if not fitting:
        hint = suggestion(wanted, [one.name for one in known if one.name])
        raise UsageError(f"--check {quoted(wanted)} is no recorded check{hint or ': give its whole name or its id'}")
    if len(fitting) > 1:
        ids = ", ".join(str(one.check_id) for one in fitting)
        raise UsageError(f"--check {quoted(wanted)} names {len(fitting)} checks: give one of the ids {ids}")
    return fitting[0].pk


def _location_pk(db: Session, wanted: str) -> int:
    known = exclusions.load_run_location_keys(db)
    if wanted not in known:
        hint = suggestion(wanted, known) or ": nothing has run there"
        raise UsageError(f"--location {quoted(wanted)} is no recorded run location{hint}")
    return known[wanted]
