"""Names the moments at which a recorder may die, and tells somebody when one is reached.

Nothing in the recorder knows of this: the engine's commits, the client and the spool are wrapped from outside. What a
transaction is about is read off its statements.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from recorder import bulk, ledger
from recorder.access import ChecklyAccess
from recorder.checkly import ChecklyClient
from recorder.ledger import ClaimedFire
from recorder.payloads import TriggerAnswer
from recorder.spool import Room, Spool, SpooledAnswer
from tests.kill.surgery import replace_part

POINTS: Final = (
    "before_materialise_commit",
    "after_materialise_commit",
    "before_intent_commit",
    "after_intent_commit",
    "after_post",  # the answer is here, nothing knows of it
    "after_spool",
    "before_outcome_commit",
    "after_outcome_commit",  # the spool has not forgotten yet
    "before_results_commit",
    "after_results_commit",
)
FIRE_HEADER: Final = "x-fire"
"""Carries the key of the fire that a request belongs to, so that the witness can count requests for each fire."""

Reached = Callable[[str], None]


class FireLabel(threading.local):
    """The fire whose intent this thread has just written."""

    pk: int | None = None


def watch_commits(engine: Engine, reached: Reached) -> None:
    """Tell `reached` before and after each commit of a transaction that wrote fires, an outcome or results."""
    steps: dict[int, set[str]] = {}

    def begin(_connection: Connection) -> None:
        steps[threading.get_ident()] = set()

    def execute(_connection: Connection, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        step = step_of(statement, parameters)
        if step is not None:
            steps.setdefault(threading.get_ident(), set()).add(step)

    def note_copy(connection: Connection, into: str, *rest: Any) -> None:
        execute(connection, None, f"INSERT INTO {into}", None)
        copy(connection, into, *rest)

    commit, copy = engine.dialect.do_commit, bulk._copy  # noqa: SLF001 - it goes past SQLAlchemy and its events

    def do_commit(connection: Any) -> None:
        written = steps.pop(threading.get_ident(), set())
        for step in sorted(written):
            reached(f"before_{step}_commit")
        commit(connection)
        for step in sorted(written):
            reached(f"after_{step}_commit")

    event.listen(engine, "begin", begin)
    event.listen(engine, "before_cursor_execute", execute)
    replace_part(engine.dialect, "do_commit", do_commit)
    if engine.dialect.name != "sqlite":
        replace_part(bulk, "_copy", note_copy)


def step_of(statement: str, parameters: Any) -> str | None:
    """Which step of the protocol a statement belongs to; None for reads and for what no step is named after."""
    if statement.startswith("INSERT INTO fires"):
        return "materialise" if any("due" in values_of(row) for row in rows_of(parameters)) else None
    if statement.startswith("INSERT INTO check_results"):
        return "results"
    if statement.startswith("UPDATE fires") and "request_body=" in statement:
        return "intent"
    if statement.startswith("UPDATE fires") and "not_before=" in statement:
        return "return"
    if statement.startswith("UPDATE fires"):
        return "outcome" if "triggered" in values_of(parameters) else None
    return None


def rows_of(parameters: Any) -> list[Any]:
    """The parameters of each row of a statement, which may have been given many."""
    return parameters if isinstance(parameters, list) else [parameters]


def values_of(row: Any) -> Any:
    """What is written, whether the driver was given names or places."""
    return row.values() if isinstance(row, Mapping) else row


def label_intents(label: FireLabel) -> None:
    """Remember in `label` which fire each thread has claimed last; for the rest of this process."""
    write = ledger.write_intent

    def write_intent(*arguments: Any, **named: Any) -> ClaimedFire | None:
        fire = write(*arguments, **named)
        label.pk = None if fire is None else fire.pk
        return fire

    replace_part(ledger, "write_intent", write_intent)


class WatchedClient(ChecklyClient):
    """A client whose triggers say which fire they are for, and which says when their answer has come."""

    def __init__(self, access: ChecklyAccess, *, reached: Reached, label: FireLabel) -> None:
        self._reached = reached
        self._label = label
        super().__init__(access)

    def trigger(self, body: bytes, *, allow_everything: bool = False) -> TriggerAnswer:
        if self._label.pk is not None:
            self._headers[FIRE_HEADER] = str(self._label.pk)
        answer = super().trigger(body, allow_everything=allow_everything)
        self._reached("after_post")
        return answer


class WatchedSpool(Spool):
    """A spool that says when an answer lies safely on disk."""

    def __init__(self, folder: Path, *, reached: Reached) -> None:
        self._reached = reached
        super().__init__(folder)

    def keep(self, answer: SpooledAnswer, room: Room | None = None) -> Path:
        path = super().keep(answer, room)
        self._reached("after_spool")
        return path
