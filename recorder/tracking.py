"""Use case: follow every open session to its end. Fetchers fetch, one writer writes.

An open session is a row with `next_poll_at`, never a thread or a job: the feeder claims rows that are due, fetchers ask
Checkly (a long poll each, on a connection of their own), the writer commits what they saw in small batches. Whatever
dies, the row is due again when its lease is over.
"""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from recorder.budget import RequestBudget
from recorder.checkly import ChecklyClient
from recorder.circuit import Circuit
from recorder.clock import Clock, Monotonic
from recorder.db import transact
from recorder.errors import BadAnswer, ChecklyError, DatabaseError, NoSuchThing, RecorderError, Refused
from recorder.following import Answer, judge
from recorder.learning import load_changes
from recorder.open_sessions import GivenUp, OpenSession, Scope, abandon_overdue, claim_open_sessions, postpone, release
from recorder.outage import Sayings
from recorder.pacing import LATE_POLL
from recorder.payloads import Malformed, SessionSnapshot
from recorder.quarantine import keep_once
from recorder.remarks import News, Remarks, unusual_place
from recorder.store import Postponement, Recording, record_sessions
from recorder.writing import BATCH, write_together

BATCH_WAIT_S: Final = 0.25
FEED_EVERY_S: Final = 0.25
REFUSED_FEED_EVERY_S: Final = 2.0
ABANDON_EVERY_S: Final = 2.0
"""How often sessions are looked for whose deadline has passed unasked."""
ASKED_FIRST_S: Final = 5.0
"""For so long after the start what was past its deadline already is left to be asked for, and cancelled."""
DRAIN_S: Final = 2.0
"""How long a stop waits for answers that are on their way."""
RETRY_S: Final = 1.0
"""How long the writer waits before it writes the same batch again; meanwhile the fetchers wait for it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetcher brought back about one session."""

    session: OpenSession
    answer: Answer
    at: datetime
    held_s: float
    """How long the answer took, in seconds."""


class Tracker:
    """The threads that follow open sessions: `start`, then `stop`. `on_seen` hears each answer once it is written."""

    def __init__(
        self,
        engine: Engine,
        *,
        new_client: Callable[[], ChecklyClient],
        budget: RequestBudget,
        circuit: Circuit,
        now: Clock,
        monotonic: Monotonic,
        fetchers: int,
        scope: Scope = None,
        on_seen: Callable[[Fetched], None] = lambda _: None,
    ) -> None:
        """`fetchers` is the most long polls open at once; `scope` limits which sessions are followed."""
        self._engine = engine
        self._new_client = new_client
        self._budget = budget
        self._circuit = circuit
        self._now = now
        self._monotonic = monotonic
        self._sayings = Sayings(monotonic)
        self._remarks = Remarks(monotonic)
        self._width = fetchers
        self._scope = scope
        self._on_seen = on_seen
        self._stop = threading.Event()
        self._closed = threading.Event()
        self._inbox: queue.Queue[tuple[OpenSession, int]] = queue.Queue()
        """Each with the number under which the circuit admitted it."""
        self._outbox: queue.Queue[Fetched] = queue.Queue(maxsize=2 * BATCH)
        self._held: dict[int, OpenSession] = {}
        self._held_lock = threading.Lock()
        self._fetchers: list[threading.Thread] = []
        self._feeder = threading.Thread(target=self._feed, name="feeder", daemon=True)
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._failure: RecorderError | None = None
        self._batched_at = float("-inf")
        self._abandon_at = monotonic() + ASKED_FIRST_S

    @property
    def failure(self) -> RecorderError | None:
        """The error that made following impossible, if there was one (a database that stays away)."""
        return self._failure

    def start(self) -> None:
        """Begin to follow."""
        self._writer.start()
        self._feeder.start()

    def stop(self) -> None:
        """Ask for nothing more, write what has arrived, and give back what was still being asked for."""
        self._stop.set()
        self._feeder.join()
        give_up_at = self._monotonic() + DRAIN_S
        for fetcher in self._fetchers:
            fetcher.join(timeout=max(0.0, give_up_at - self._monotonic()))
        self._closed.set()
        self._writer.join()
        self._remarks.tell_rest()
        with self._held_lock:
            held = list(self._held)
        if held:
            transact(self._engine, lambda db: release(db, held, now=self._now()))

    def _feed(self) -> None:
        while not self._stop.wait(FEED_EVERY_S if self._circuit.refusal is None else REFUSED_FEED_EVERY_S):
            try:
                self._abandon_overdue()
                self._feed_once()
            except DatabaseError as error:
                self._failure = error
                if self._sayings.is_news(str(error)):
                    log.error("open sessions cannot be read", error=str(error))  # noqa: TRY400 - it is due again
            except Exception as error:  # the feeder outlives what it cannot explain; what was claimed is due again
                self._failure = RecorderError(f"sessions cannot be claimed: {type(error).__name__}: {error}")
                log.exception("sessions cannot be claimed")

    def _abandon_overdue(self) -> None:
        """Keep deadlines also when nothing can be asked: the circuit is open, the budget paused or spent by others."""
        if self._monotonic() < self._abandon_at:
            return
        self._abandon_at = self._monotonic() + ABANDON_EVERY_S
        given_up = transact(self._engine, lambda db: abandon_overdue(db, now=self._now(), scope=self._scope))
        self._remarks.given_up(given_up)

    def _feed_once(self) -> None:
        """Claim as many sessions as may be asked for right now, so that who comes first is decided when it counts."""
        number = self._circuit.admit()
        if number is None:
            return
        claimed: list[OpenSession] = []
        turns = self._take_turns()
        try:
            claimed = self._claim(turns) if turns else []
        finally:
            self._budget.give_back(turns - len(claimed))
            if not claimed:
                self._circuit.give_back(number)
        with self._held_lock:
            missing = min(len(self._held), self._width) - len(self._fetchers)
        for _ in range(missing):
            fetcher = threading.Thread(target=self._fetch, name=f"fetcher-{len(self._fetchers)}", daemon=True)
            self._fetchers.append(fetcher)
            fetcher.start()
        for session in claimed:
            self._inbox.put((session, number))

    def _take_turns(self) -> int:
        """How many sessions may be asked for now, by the fetchers and the budget; an open circuit admits one."""
        with self._held_lock:
            free = self._width - len(self._held)
        return self._budget.take_for_reads(free if self._circuit.refusal is None else min(free, 1))

    def _claim(self, turns: int) -> list[OpenSession]:
        claimed = transact(
            self._engine, lambda db: claim_open_sessions(db, now=self._now(), limit=turns, scope=self._scope)
        )
        self._failure = None
        with self._held_lock:  # an answer that could not be written for so long that its lease ran out waits still
            claimed = [session for session in claimed if session.pk not in self._held]
            self._held.update({session.pk: session for session in claimed})
        return claimed

    def _fetch(self) -> None:
        client: ChecklyClient | None = None
        while not self._stop.is_set():
            try:
                session, number = self._inbox.get(timeout=FEED_EVERY_S)
            except queue.Empty:
                continue
            try:
                client = client or self._new_client()
                asked_at = self._monotonic()
                answer = self._ask(client, session, number)
                if isinstance(answer, SessionSnapshot):
                    _ = answer.deflated  # here, where three hundred threads can, and not in the one that writes
                self._outbox.put(Fetched(session, answer, self._now(), self._monotonic() - asked_at))
            except Exception:  # a fetcher outlives what it cannot explain; the session is due again after its lease
                log.exception("asking for a session failed", session=str(session.check_session_id))
                self._let_go(session)
        if client is not None:
            client.close()

    def _ask(self, client: ChecklyClient, session: OpenSession, number: int) -> Answer:
        try:
            is_probe = self._circuit.refusal is not None  # which is one request
            if session.is_to_be_cancelled(self._now()) and not is_probe and self._budget.take_for_read(self._stop):
                self._cancel(client, session)
            answer = client.fetch_completion(session.check_session_id, max_wait_s=session.wait_s(self._now()))
        except ChecklyError as error:
            self._budget.heed(error)
            self._circuit.heed(number, error)
            return error
        self._circuit.heed(number, None)
        return answer

    def _cancel(self, client: ChecklyClient, session: OpenSession) -> None:
        """Ask Checkly to cancel; a refusal is said and the session asked for all the same.

        Raises TryLater and NotSent: then it is asked for later, and cancelled again then.
        """
        try:
            client.cancel_session(session.check_session_id)
        except (Refused, NoSuchThing, BadAnswer) as error:
            log.warning("a session was not cancelled", session=str(session.check_session_id), error=str(error))

    def _write(self) -> None:
        while not (self._closed.is_set() and self._outbox.empty()):
            batch = self._next_batch()
            try:
                if batch:
                    self._write_batch(batch)
                self._remarks.tell()
            except Exception as error:  # the writer outlives what it cannot explain; its sessions are due again
                self._failure = RecorderError(f"answers cannot be written: {type(error).__name__}: {error}")
                log.exception("answers cannot be written")
                for fetched in batch:
                    self._let_go(fetched.session)

    def _next_batch(self) -> list[Fetched]:
        """What arrives within 250 ms of the batch before, at most 500: after a pause the first is written at once."""
        try:
            batch = [self._outbox.get(timeout=BATCH_WAIT_S)]
        except queue.Empty:
            return []
        until = self._batched_at + BATCH_WAIT_S
        while len(batch) < BATCH and not self._closed.is_set():
            try:
                batch.append(self._outbox.get(timeout=max(0.0, until - self._monotonic())))
            except queue.Empty:
                break
        self._batched_at = self._monotonic()
        return batch

    def _write_batch(self, batch: Sequence[Fetched]) -> None:
        """Write a batch, however long the database is away; a stop leaves it: its sessions are due again."""
        while True:
            try:
                written = write_together(self._engine, batch, write_answers, on_poison=self._quarantine)
            except DatabaseError as error:
                self._failure = error
                if self._sayings.is_news(f"not written: {error}"):
                    log.error("answers cannot be written, trying again", error=str(error))  # noqa: TRY400 - kept
                if self._closed.wait(RETRY_S):
                    return
            else:
                break
        for fetched in batch:
            self._let_go(fetched.session)
            self._remarks.heard(fetched.session, fetched.answer, at=fetched.at, held_s=fetched.held_s)
            self._on_seen(fetched)
        for news in written:
            self._remarks.given_up(news.given_up)
            self._remarks.changed(news.changed)

    def _let_go(self, session: OpenSession) -> None:
        with self._held_lock:
            self._held.pop(session.pk, None)

    def _quarantine(self, fetched: Fetched, error: DatabaseError) -> None:
        """Keep an answer that the tables refuse; its session is asked for hourly, until its deadline and a day more."""
        session = fetched.session
        log.error("an answer could not be written", session=str(session.check_session_id), error=str(error))
        piece = Malformed(f"session {session.check_session_id}: {error}", getattr(fetched.answer, "raw", b""))
        verdict = judge(session, BadAnswer(str(error), reason="bad_body"), now=fetched.at)

        def write(db: Session) -> list[GivenUp]:
            keep_once(db, [piece], now=fetched.at)
            if isinstance(verdict, Recording) or verdict.next_poll_at is None:
                return []
            return postpone(db, [replace(verdict, next_poll_at=fetched.at + LATE_POLL)])

        self._remarks.given_up(transact(self._engine, write))


def write_answers(db: Session, batch: Sequence[Fetched]) -> News:
    """Write what a batch of answers means for its sessions; the caller's transaction holds it."""
    verdicts = [judge(fetched.session, fetched.answer, now=fetched.at, held_s=fetched.held_s) for fetched in batch]
    record_sessions(db, [v for v in verdicts if isinstance(v, Recording)], now=batch[-1].at)
    given_up = postpone(db, [v for v in verdicts if isinstance(v, Postponement)])
    places = (unusual_place(fetched.session, fetched.answer) for fetched in batch)
    return News(given_up, load_changes(db, Counter(place for place in places if place is not None)))
