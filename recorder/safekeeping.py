"""Use case: bring every answer to a trigger into the database, however long the database or the disk is away.

The room for an answer is taken on disk before its trigger leaves, so a disk that fills up meanwhile loses nothing. An
answer that the spool refuses nevertheless, and the database too, stays in memory and is tried again with every sweep.
"""

from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Engine

from recorder import ledger
from recorder.clock import Clock
from recorder.db import transact
from recorder.errors import DatabaseError, MalformedPayload, PerhapsSent
from recorder.ledger import ClaimedFire, Reason
from recorder.materialising import Follow
from recorder.payloads import TriggerAnswer, parse_trigger_answer
from recorder.spool import Room, Spool, SpooledAnswer, TornFile
from recorder.trigger_outcomes import Sent, settle, write_outcome

REST: Final = timedelta(minutes=1)
"""How long another process, or thread, may still be writing an answer that it has spooled."""
_LATER: Final = "the answer waits in the spool, and the next command that triggers writes it down"

log = structlog.get_logger(__name__)


class Safekeeping:
    """Holds on to answers until they are committed; safe to call from several threads."""

    def __init__(self, engine: Engine, *, spool: Spool, now: Clock) -> None:
        """Nothing is read or written yet."""
        self._engine = engine
        self._spool = spool
        self._now = now
        self._in_memory: dict[int, SpooledAnswer] = {}
        self._told: set[Path] = set()

    def reserve(self) -> AbstractContextManager[Room]:
        """Room on disk for one answer; DatabaseError when there is none, and then nothing may be sent."""
        return self._spool.reserve()

    def write(self, fire: ClaimedFire, answer: TriggerAnswer, follow: Follow, room: Room) -> Sent:
        """Spool an answer that has just come, write the fire's outcome with all sessions, forget the spooled copy.

        Raises DatabaseError when it cannot be written now; it is kept, and `replay` tries again.
        """
        spooled = SpooledAnswer(
            fire.pk, fire.owner, fire.origin, self._now(), answer.http_status, answer.raw, follow.timeout, follow.cancel
        )
        path = self._keep(spooled, answer, room)
        try:
            sent = self._write(spooled)
        except BaseException as error:
            if path is None:
                self._in_memory[fire.pk] = spooled  # nothing else has it
            elif isinstance(error, DatabaseError):
                raise DatabaseError(
                    f"{error} (the trigger was sent and answered, do not send it again: {_LATER})"
                ) from error
            raise
        if path is not None:
            self._spool.forget(path)
        return sent

    def clear_remains(self) -> None:
        """Remove what processes that died while they wrote have left in the spool."""
        self._spool.clear_remains()

    def replay(self, *, older_than: timedelta | None) -> int:
        """Write the answers that were received and could not be committed; how many there were.

        A running daemon leaves the newest of the spool alone (`older_than`): another thread may be writing them. None:
        nobody is, and the clock that says when they came may have been set back since.
        Raises DatabaseError at the first that cannot be written now either.
        """
        replayed = self._replay_memory()
        for path, answer in self._spool.waiting():
            if isinstance(answer, TornFile):
                self._leave_alone(path, answer.why)
            elif older_than is None or self._now() - answer.received_at >= older_than:
                replayed += self._replay_file(path, answer)
        return replayed

    def _keep(self, spooled: SpooledAnswer, answer: TriggerAnswer, room: Room) -> Path | None:
        """Spool the answer; a disk that refuses must not keep it from a database that lies elsewhere."""
        try:
            return self._spool.keep(spooled, room)
        except DatabaseError as error:
            ids = [str(session.check_session_id) for session in answer.sessions]
            log.error("answer not spooled", fire=spooled.fire_pk, sessions=ids, error=str(error))  # noqa: TRY400 - one line
            return None

    def _write(self, spooled: SpooledAnswer) -> Sent:
        fire = ClaimedFire(spooled.fire_pk, spooled.owner, spooled.origin, 0, b"")
        now = self._now()
        try:
            answer = parse_trigger_answer(spooled.body, http_status=spooled.http_status)
        except MalformedPayload as malformed:
            error = PerhapsSent(
                str(malformed), reason=Reason.BAD_BODY, http_status=spooled.http_status, body=spooled.body
            )
            end = partial(settle, fire=fire, state="ambiguous", reason=Reason.BAD_BODY, now=now, error=error)
            return transact(self._engine, partial(end, raw=spooled.body))
        follow = Follow(spooled.session_timeout, cancel=spooled.cancel_on_timeout)
        return transact(self._engine, lambda db: write_outcome(db, fire, answer, follow, now=now))

    def _replay_memory(self) -> int:
        """Bring what only memory holds to the disk if there is room again, or else to the database."""
        waiting = list(self._in_memory.values())
        for spooled in waiting:
            try:
                self._spool.keep(spooled)
            except DatabaseError:
                sent = self._write(spooled)
                log.warning("answer written from memory", fire=spooled.fire_pk, state=sent.state)
            self._in_memory.pop(spooled.fire_pk, None)
        return len(waiting)

    def _replay_file(self, path: Path, spooled: SpooledAnswer) -> int:
        mine = partial(ledger.is_fire_of, fire_pk=spooled.fire_pk, owner=spooled.owner)
        if not transact(self._engine, mine):
            self._leave_alone(path, "it belongs to another database")
            return 0
        sent = self._write(spooled)
        log.warning("answer replayed from the spool", fire=spooled.fire_pk, state=sent.state)
        self._spool.forget(path)
        return 1

    def _leave_alone(self, path: Path, why: str) -> None:
        """Say once that a file is not for this process; it stays for whoever can use it."""
        if path not in self._told:
            self._told.add(path)
            log.error("spool file left alone", file=str(path), why=why)
