"""Takes schedules into the ledger beside other daemons: all of them must have been told the same."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from recorder import ledger, schedule_store
from recorder.errors import ConfigError, Problem
from recorder.gaps import end_gaps_at
from recorder.ledger import Reason
from recorder.materialising import ended_instants
from recorder.roster import Colleague, colleagues
from recorder.schedule_store import Definition, KnownSchedule, ScheduleRow
from recorder.setback import CLOCKS_AGREE
from recorder.settings import cadence_in


def enrol_together(
    db: Session, definitions: Mapping[str, Definition], *, owner: UUID, now: datetime
) -> dict[str, ScheduleRow]:
    """Enrol the schedules; alone this replaces what was known, beside others it must agree with it.

    One daemon at a time does it, until its transaction ends: sign in within the same one, so that whoever starts at
    the same moment sees both or neither.
    What is new about a schedule holds from now on: instants before it belong to what was known, and end unsent.
    Raises ConfigError naming every schedule about which another living daemon was told something else.
    """
    schedule_store.wait_for_turn(db)
    known = schedule_store.known_schedules(db)
    others = colleagues(db, owner=owner, now=now)
    if others:
        stored = {name: one.definition for name, one in known.items() if not one.is_removed}
        problems = _disagreements(stored, definitions, others)
        if problems:
            raise ConfigError(problems)
    for name, one in known.items():
        if name in definitions:
            _end_the_past(db, one, definitions[name], now)
        elif not one.is_removed:
            _end_unseen(db, one, now)
    return schedule_store.enrol_schedules(db, definitions, now=now)


def is_ahead(row: ScheduleRow, now: datetime) -> bool:
    """Whether the ledger has come further than the clock, which was wrong then or is now."""
    return row.cursor > now + CLOCKS_AGREE


def _end_the_past(db: Session, known: KnownSchedule, definition: Definition, now: datetime) -> None:
    """Let nothing that was due by another cadence, or in a pause, be sent by the new definition."""
    row, was = known.row, cadence_in(known.definition)
    if is_ahead(row, now):  # what has a row there is written again only if nothing was sent for it
        schedule_store.move_cursor(db, row.pk, now)
        if cadence := was or cadence_in(definition.text):
            end_gaps_at(db, row.pk, cadence, now)
    if definition.paused and not row.paused:
        ledger.skip_due(db, row.pk, Reason.PAUSED, now=now)
    is_other = known.is_removed or was != cadence_in(definition.text)
    if is_other or (row.paused and not definition.paused):
        _end_unseen(db, known, now)


def _end_unseen(db: Session, known: KnownSchedule, now: datetime) -> None:
    """Write what was due by the old definition and nobody saw, as rows that end unsent."""
    row, was = known.row, cadence_in(known.definition)
    if row.cursor >= now:
        return
    reason = Reason.PAUSED if row.paused and not known.is_removed else Reason.CONFIG_REMOVED
    since = row.known_since(now)
    ended = [] if was is None else ended_instants(db, row.pk, was, since, now, state="skipped", reason=reason)
    ledger.insert_instants(db, row.pk, ended, cursor=now)


def _disagreements(stored: Mapping[str, str], mine: Mapping[str, Definition], others: list[Colleague]) -> list[Problem]:
    who = ", ".join(map(str, others))
    advice = "give all daemons of one database the same schedules, or stop the others first"
    problems: list[Problem] = []
    for name in sorted({*stored, *mine}):
        if name not in mine:
            problems.append(Problem(f'schedule "{name}"', f"is missing here, but {who} runs it: {advice}"))
        elif name not in stored:
            problems.append(Problem(f'schedule "{name}"', f"is not known to {who}: {advice}"))
        elif stored[name] != mine[name].text:
            problems.append(Problem(f'schedule "{name}"', f"is defined otherwise for {who}: {advice}"))
    return problems
