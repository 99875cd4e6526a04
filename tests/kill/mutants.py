"""Faults put into a recorder on purpose, one at a time: what the invariants must catch before they may be trusted.

Each replaces functions in the process that calls it, and nowhere else.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, update
from sqlalchemy.orm import Session

from recorder import db, ledger, store
from recorder.checkly import ChecklyClient
from recorder.errors import NotSent, PerhapsSent
from recorder.ledger import ClaimedFire, DueFire, Reason
from recorder.models import CheckSession
from recorder.payloads import TriggerAnswer
from recorder.store import Recording, Written
from tests.kill.surgery import replace_part


def resend_after_reset() -> None:
    """Take a connection that broke for one that never was: the trigger is sent again."""
    trigger = ChecklyClient.trigger

    def careless(client: ChecklyClient, body: bytes, *, allow_everything: bool = False) -> TriggerAnswer:
        try:
            return trigger(client, body, allow_everything=allow_everything)
        except PerhapsSent as error:
            if error.reason != Reason.CONN_RESET:
                raise
            raise NotSent(str(error), reason="network") from error

    replace_part(ChecklyClient, "trigger", careless)


def requeue_expired_intent() -> None:
    """Make the intents of dead owners due again instead of ambiguous."""
    settle = ledger.settle_fire

    def careless(session: Session, fire: ClaimedFire, **what: Any) -> bool:
        if what.get("reason") == Reason.OWNER_LOST:
            return ledger.return_fire(session, fire, not_before=what["now"], reason=Reason.NETWORK)
        return settle(session, fire, **what)

    replace_part(ledger, "settle_fire", careless)


def commit_after_post() -> None:
    """Send first, and write the intent down together with the outcome."""
    write, settle = ledger.write_intent, ledger.settle_fire
    unwritten: dict[int, Callable[[Session], object]] = {}

    def promise(_session: Session, fire: DueFire, **what: Any) -> ClaimedFire:
        unwritten[fire.pk] = lambda session: write(session, fire, **what)
        return ClaimedFire(fire.pk, what["owner"], "schedule", fire.attempt + 1, what["body"])

    def careless(session: Session, fire: ClaimedFire, **what: Any) -> bool:
        if fire.pk in unwritten:
            unwritten[fire.pk](session)
        return settle(session, fire, **what)

    replace_part(ledger, "write_intent", promise)
    replace_part(ledger, "settle_fire", careless)


def deferred_begin() -> None:
    """Open SQLite's transactions as readers that turn into writers on the way."""

    def careless(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    replace_part(db, "_begin_immediate", careless)


def final_without_cas() -> None:
    """Let every answer overwrite what is known of its session, a final one too."""
    record = store._record_batch  # noqa: SLF001 - a mutant reaches where no one else may

    def careless(session: Session, batch: Sequence[Recording], now: datetime) -> Written:
        ids = [recording.snapshot.check_session_id for recording in batch]
        forget = update(CheckSession).where(CheckSession.check_session_id.in_(ids))
        session.execute(forget.values(final_at=None, outcome=None).execution_options(synchronize_session=False))
        return record(session, batch, now)

    replace_part(store, "_record_batch", careless)


MUTANTS: Final[dict[str, Callable[[], None]]] = {
    mutant.__name__: mutant
    for mutant in (
        resend_after_reset,
        requeue_expired_intent,
        commit_after_post,
        deferred_begin,
        final_without_cas,
    )
}
