"""Takes schedules into the ledger beside other daemons: all of them must have been told the same."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from recorder import schedule_store
from recorder.errors import ConfigError, Problem
from recorder.roster import Colleague, colleagues
from recorder.schedule_store import Definition, ScheduleRow


def enrol_together(
    db: Session, definitions: Mapping[str, Definition], *, owner: UUID, now: datetime
) -> dict[str, ScheduleRow]:
    """Enrol the schedules; alone this replaces what was known, beside others it must agree with it.

    Raises ConfigError naming every schedule about which another living daemon was told something else.
    """
    others = colleagues(db, owner=owner, now=now)
    if others:
        problems = _disagreements(schedule_store.stored_definitions(db), definitions, others)
        if problems:
            raise ConfigError(problems)
    return schedule_store.enrol_schedules(db, definitions, now=now)


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
