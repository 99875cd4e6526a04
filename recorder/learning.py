"""What the history says about how long sessions of a check take in a set of locations. Reads only, never commits.

Nothing is kept for it: the newest sessions of a check are one range of an index away, so what is learned is always
what is recorded, and survives a restart as the history does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ScalarSelect,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    func,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session

from recorder.dimensions import LocationNames, set_digest, table_of
from recorder.models import Check, CheckSession, LocationSet
from recorder.outcomes import Outcome
from recorder.pacing import REMEMBERED_RUNS, Expectation, NewRegime, expect, new_regime

SEARCHED_RUNS: Final = 2 * REMEMBERED_RUNS
"""How far back is looked for runs in the same locations at first, which is enough for nearly every check."""
SEARCHED_DEEPLY: Final = 1000
"""How far back for a set with few runs there: a check that moves about all the time must not cost a scan."""
FEW_RUNS: Final = REMEMBERED_RUNS // 2
_NOT_YET_KNOWN: Final = 3
"""With fewer runs in its locations the check's runs anywhere tell more than the prior of its type."""
_KEYS_AT_ONCE: Final = 500

Place = tuple[int, int]
"""The keys of a check and of a set of locations."""


@dataclass(frozen=True, slots=True)
class ChangedCheck:
    """A check whose sessions take another time than they used to, in some set of locations."""

    check: str
    """The check's name, or its id when it has none, and its type: "Checkout (API)"."""
    regime: NewRegime


def load_expectations(db: Session, places: Collection[Place]) -> dict[Place, Expectation]:
    """What to expect of each check and set of locations; the prior of its type where nothing is recorded yet."""
    found: dict[Place, Expectation] = {}
    wanted = sorted(set(places))
    for start in range(0, len(wanted), _KEYS_AT_ONCE):
        found |= _load_some(db, wanted[start : start + _KEYS_AT_ONCE])
    return found


def load_expectations_of(
    db: Session, named: Collection[tuple[UUID, LocationNames]]
) -> Mapping[tuple[UUID, LocationNames], Expectation]:
    """The same for checks and locations as Checkly names them; those that no row stands for yet are left out."""
    checks, sets = table_of(Check), table_of(LocationSet)
    ids = {check_id for check_id, _ in named}
    digests = {set_digest(names) for _, names in named}
    check_pks: dict[UUID, int] = dict(
        db.execute(select(checks.c.check_id, checks.c.pk).where(checks.c.check_id.in_(ids))).all()
    )
    set_pks: dict[str, int] = dict(db.execute(select(sets.c.digest, sets.c.pk).where(sets.c.digest.in_(digests))).all())
    places = {
        (check_id, names): (check_pks[check_id], set_pks[digest])
        for check_id, names in named
        if check_id in check_pks and (digest := set_digest(names)) in set_pks
    }
    found = load_expectations(db, places.values())
    return {key: found[place] for key, place in places.items()}


def load_changes(db: Session, ended: Mapping[Place, int]) -> list[ChangedCheck]:
    """Of the places where so many sessions have just ended, those where that made a change of durations certain."""
    if not ended:
        return []
    changed = (
        (check_pk, regime)
        for (check_pk, set_pk), (_, recent_ms) in _runs_there(db, sorted(ended)).items()
        if (regime := new_regime(recent_ms, newest=ended[check_pk, set_pk])) is not None
    )
    return [ChangedCheck(_title(db, check_pk), regime) for check_pk, regime in changed]


def _title(db: Session, check_pk: int) -> str:
    checks = table_of(Check)
    name, check_id, check_type = db.execute(
        select(checks.c.name, checks.c.check_id, checks.c.check_type).where(checks.c.pk == check_pk)
    ).one()
    return f"{name or check_id} ({check_type})"


def _load_some(db: Session, places: Sequence[Place]) -> dict[Place, Expectation]:
    runs = _runs_there(db, places)
    runs |= _run(db, _ANYWHERE, [place for place, (_, recent_ms) in runs.items() if len(recent_ms) < _NOT_YET_KNOWN])
    return {place: expect(check_type, recent_ms) for place, (check_type, recent_ms) in runs.items()}


def _runs_there(db: Session, places: Sequence[Place]) -> dict[Place, tuple[str, list[float]]]:
    """The check's type and durations in ms, newest first, of each place: deeper for places with few runs near by."""
    runs = _run(db, _NEAR, places)
    return runs | _run(db, _DEEP, [place for place, (_, recent_ms) in runs.items() if len(recent_ms) < FEW_RUNS])


def _run(
    db: Session, query: Select[int, int, str, str], places: Sequence[Place]
) -> dict[Place, tuple[str, list[float]]]:
    """The check's type and durations in ms, newest first, of each place."""
    if not places:
        return {}
    check_pks = sorted({check_pk for check_pk, _ in places})
    set_pks = sorted({set_pk for _, set_pk in places})
    rows = db.execute(query, {"check_pks": check_pks, "set_pks": set_pks, "places": places})
    return {
        (check_pk, set_pk): (check_type, [float(ms) for ms in durations.split(",")] if durations else [])
        for check_pk, set_pk, check_type, durations in rows
    }


def _recent_durations(checks: Table, sets: Table, searched: int, *, anywhere: bool) -> ScalarSelect[str]:
    """The durations of a check's newest finished sessions in a set, in ms, newest first, with commas between them.

    Both clocks in it are Checkly's, so a clock of ours that is wrong teaches nothing wrong.
    """
    runs = table_of(CheckSession)
    newest = (
        select(runs.c.started_at, runs.c.location_set_pk, runs.c.outcome, runs.c.time_elapsed_ms)
        .where(runs.c.check_pk == checks.c.pk, runs.c.time_elapsed_ms.is_not(None))
        .correlate(checks)
        .order_by(runs.c.started_at.desc())
        .limit(searched)
        .subquery("newest")
    )
    alike = (
        select(newest.c.time_elapsed_ms)
        .where(newest.c.outcome != Outcome.VOID, true() if anywhere else newest.c.location_set_pk == sets.c.pk)
        .correlate(sets)
        .order_by(newest.c.started_at.desc())
        .limit(REMEMBERED_RUNS)
        .subquery("alike")
    )
    return select(func.aggregate_strings(cast(alike.c.time_elapsed_ms, Text), ",")).scalar_subquery()


def _recent_runs(searched: int, *, anywhere: bool = False) -> Select[int, int, str, str]:
    """Built once: putting the expression together takes longer than running it."""
    checks, sets = table_of(Check), table_of(LocationSet)
    places: BindParameter[Place] = bindparam("places", expanding=True)
    return (
        select(
            checks.c.pk, sets.c.pk, checks.c.check_type, _recent_durations(checks, sets, searched, anywhere=anywhere)
        )
        .join_from(checks, sets, true())
        .where(
            checks.c.pk.in_(bindparam("check_pks", expanding=True)),
            sets.c.pk.in_(bindparam("set_pks", expanding=True)),
            tuple_(checks.c.pk, sets.c.pk).in_(places),
        )
    )


_NEAR: Final = _recent_runs(SEARCHED_RUNS)
_DEEP: Final = _recent_runs(SEARCHED_DEEPLY)
_ANYWHERE: Final = _recent_runs(SEARCHED_RUNS, anywhere=True)
