"""Use case: send the one request of an intent that is written, and write what came of it.

What provably never left, or was refused with 429, becomes due again; whatever else came, this fire is never sent again.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Engine

from recorder import ledger
from recorder.budget import RequestBudget
from recorder.checkly import ChecklyClient
from recorder.circuit import Circuit
from recorder.clock import Clock, Monotonic
from recorder.db import transact
from recorder.errors import ChecklyError, NotSent, PerhapsSent, Refused, TryLater
from recorder.ledger import ClaimedFire, Reason
from recorder.materialising import Follow
from recorder.payloads import TriggerAnswer
from recorder.safekeeping import Safekeeping
from recorder.spool import Room
from recorder.targets import Target
from recorder.trigger_outcomes import Sent, settle

STALL_LIMIT_S: Final = 5.0
"""Seconds between the intent's commit and the request; after a longer sleep of the machine nothing is sent."""
RESEND_AFTER: Final = timedelta(seconds=5)


class Sending:
    """Sends intents, each once; safe to call from several threads."""

    def __init__(
        self,
        engine: Engine,
        *,
        budget: RequestBudget,
        circuit: Circuit,
        safekeeping: Safekeeping,
        now: Clock,
        monotonic: Monotonic,
    ) -> None:
        """Nothing is sent until `send` is called; the place in the budget is the caller's to take."""
        self._engine = engine
        self._budget = budget
        self._circuit = circuit
        self._safekeeping = safekeeping
        self._now = now
        self._monotonic = monotonic

    def send(
        self,
        client: ChecklyClient,
        fire: ClaimedFire,
        target: Target,
        room: Room,
        *,
        number: int,
        claimed_at: float,
        follow: Follow,
        retry_until: datetime | None,
    ) -> Sent:
        """Send the one request of this intent, unless the machine slept since `claimed_at` (monotonic seconds).

        `number` is what the circuit admitted it under.
        """
        if self._monotonic() - claimed_at > STALL_LIMIT_S:
            self._circuit.give_back(number)
            return self._settle(fire, "missed", Reason.STALLED)
        try:
            answer = client.trigger(fire.request_body, allow_everything=target.run_everything)
        except (PerhapsSent, NotSent, TryLater, Refused) as error:
            self._circuit.heed(number, error)
            self._budget.heed(error)
            if isinstance(error, PerhapsSent):
                return self._keep_unreadable(fire, error, follow, room)
            if isinstance(error, Refused):
                return self._settle(fire, "rejected", error.reason, error=error)
            return self._not_acted_on(fire, error, retry_until=retry_until)
        self._circuit.heed(number, None)
        if not (answer.sessions or answer.malformed):
            return self._settle(fire, "no_match", None, http_status=answer.http_status)
        return self._safekeeping.write(fire, answer, follow, room)

    def _keep_unreadable(self, fire: ClaimedFire, error: PerhapsSent, follow: Follow, room: Room) -> Sent:
        """Nobody may ever know what was started: whatever came is kept like an answer, its ids are nowhere else."""
        if error.reason == Reason.BAD_BODY and error.body:
            unread = TriggerAnswer((), (), error.http_status or 0, error.body)
            return self._safekeeping.write(fire, unread, follow, room)
        return self._settle(fire, "ambiguous", error.reason, error=error, raw=error.body)

    def _not_acted_on(self, fire: ClaimedFire, error: NotSent | TryLater, *, retry_until: datetime | None) -> Sent:
        """Nothing was started: due again while its grace lasts, or missed when it is over or nobody waits for it."""
        reason = Reason.NETWORK if isinstance(error, NotSent) else Reason.RATE_LIMITED
        not_before = self._now() + max(RESEND_AFTER, timedelta(seconds=error.retry_after_s or 0.0))
        if retry_until is None or not_before > retry_until:
            return self._settle(fire, "missed", reason, error=error)
        transact(self._engine, lambda db: ledger.return_fire(db, fire, not_before=not_before, reason=reason))
        return Sent(fire.pk, "due", reason, error=error)

    def _settle(
        self,
        fire: ClaimedFire,
        state: str,
        reason: str | None,
        *,
        error: ChecklyError | None = None,
        raw: bytes = b"",
        http_status: int | None = None,
    ) -> Sent:
        end = partial(settle, fire=fire, state=state, reason=reason, now=self._now(), error=error, raw=raw)
        return transact(self._engine, partial(end, http_status=http_status))
