"""Owns what the log says about sessions being followed: each kind of trouble once a minute, with how many it concerns.

Three hundred fetchers that meet the same trouble every second would else bury it, and what is not said at all (a
server that holds no answer, a session that is waited for no longer) would be found by nobody.
"""

import logging
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from recorder.clock import Monotonic
from recorder.errors import ChecklyError
from recorder.following import Answer
from recorder.learning import ChangedCheck, Place
from recorder.open_sessions import GivenUp, OpenSession
from recorder.outage import SAY_AGAIN_S
from recorder.outcomes import Outcome, session_outcome
from recorder.pacing import SHORTEST_FITTED_WAIT_S, is_out_of_line
from recorder.payloads import SessionSnapshot, StillRunning

NAMED_A_MINUTE: Final = 10
"""Sessions given up, and checks that changed, that get a line of their own within a minute; the others are counted."""
IN_A_ROW: Final = 3
"""So many answers of one kind, one after the other, are no accident any more."""
_REMEMBERED: Final = 20_000
"""Open sessions whose last answers are kept in memory."""
_KINDS_KEPT: Final = 3
"""How many changes of what was answered are kept for each."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """What the database has learned from a batch of answers, beside the answers themselves."""

    given_up: Sequence[GivenUp]
    changed: Sequence[ChangedCheck]


class Remarks:
    """Hears every answer about a session and says what a person should know. Safe to use from threads."""

    def __init__(self, monotonic: Monotonic) -> None:
        """Nothing has been heard."""
        self._lock = threading.Lock()
        self._lately = _LastAnswers()
        self._troubles = _Troubles(monotonic)
        self._farewells = _Few(monotonic, more="more sessions are given up")
        self._changes = _Few(monotonic, more="more checks take another time than they used to")
        self._holding = _Holding(monotonic)

    def heard(self, session: OpenSession, answer: Answer, *, at: datetime, held_s: float) -> None:
        """Note one answer, which came at `at` after `held_s` seconds."""
        asked_s = session.wait_s(at - timedelta(seconds=held_s))
        with self._lock:
            self._holding.heard(answer, asked_s=asked_s, held_s=held_s)
            self._troubles.heard(session, answer)
            self._lately.heard(session, answer, is_held=held_s >= asked_s / 2)

    def given_up(self, sessions: Sequence[GivenUp]) -> None:
        """Say of each session that is waited for no longer what it was, as far as there is room in this minute."""
        with self._lock:
            for one in sessions:
                last_answers = self._lately.pop(one.check_session_id)
                if self._farewells.has_room(one.reason):
                    _say_given_up(one, last_answers)

    def changed(self, checks: Sequence[ChangedCheck]) -> None:
        """Say of each check what its sessions take by now, and what they took, as far as there is room."""
        with self._lock:
            for one in checks:
                is_longer = one.regime.took_s > one.regime.used_to_take_s
                if self._changes.has_room("longer" if is_longer else "shorter"):
                    _say_changed(one, is_longer=is_longer)

    def tell(self) -> None:
        """Say what is due by now; to be called every second or so."""
        with self._lock:
            self._troubles.tell()
            self._farewells.tell()
            self._changes.tell()

    def tell_rest(self) -> None:
        """Say what has been kept back; nothing follows."""
        with self._lock:
            self._troubles.tell_rest()
            self._farewells.tell_rest()
            self._changes.tell_rest()


def unusual_place(session: OpenSession, answer: Answer) -> Place | None:
    """Whose durations this answer may show to have changed: the end of a session twice as long as most, or half."""
    if not isinstance(answer, SessionSnapshot) or session.settling_since is not None or answer.time_elapsed_ms is None:
        return None
    teaches = session_outcome(answer.status) not in (None, Outcome.VOID)
    return session.place if teaches and is_out_of_line(answer.time_elapsed_ms, session.expectation) else None


def _say_given_up(one: GivenUp, last_answers: str) -> None:
    log.warning(
        "a session is given up",
        session=str(one.check_session_id),
        check=one.check,
        reason=one.reason,
        followed_s=round(one.followed_s, 1),
        last_answers=last_answers,
    )


def _say_changed(one: ChangedCheck, *, is_longer: bool) -> None:
    log.log(
        logging.WARNING if is_longer else logging.INFO,
        "a check takes another time than it used to",
        check=one.check,
        took_s=round(one.regime.took_s, 1),
        used_to_take_s=round(one.regime.used_to_take_s, 1),
        median_of=one.regime.median_of,
    )


class _LastAnswers:
    """What was answered lately about each session that is open, in words."""

    def __init__(self) -> None:
        self._of: dict[UUID, list[tuple[str, int]]] = {}

    def heard(self, session: OpenSession, answer: Answer, *, is_held: bool) -> None:
        key = session.check_session_id
        known = self._of.pop(key, [])
        if session.abandoned_at is not None or (isinstance(answer, SessionSnapshot) and answer.is_final):
            return
        word = _word(answer, is_held=is_held)
        times = known.pop()[1] if known and known[-1][0] == word else 0
        self._of[key] = [*known, (word, times + 1)][-_KINDS_KEPT:]
        if len(self._of) > _REMEMBERED:  # another daemon may have seen the end of the oldest
            del self._of[next(iter(self._of))]

    def pop(self, check_session_id: UUID) -> str:
        """As in "still running x40, 503 x2", the latest at the end; forgotten with it."""
        known = self._of.pop(check_session_id, [])
        return ", ".join(word if times == 1 else f"{word} x{times}" for word, times in known) or "none"


def _word(answer: Answer, *, is_held: bool) -> str:
    if isinstance(answer, StillRunning):
        return "still running" if is_held else "still running, not held"
    if isinstance(answer, SessionSnapshot):
        return f"status {answer.status}"
    return answer.reason if answer.http_status is None else str(answer.http_status)


@dataclass(slots=True)
class _Trouble:
    """One kind of trouble: what was said of it, and what has come since."""

    said_at: float | None = None
    answers: int = 0
    sessions: set[UUID] = field(default_factory=set)
    error: str = ""
    was_answered: bool = False
    """Whether any session was answered for since it was last met."""


class _Troubles:
    """Errors instead of answers, by their reason: a line at once, one a minute while it lasts, one when it is over."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._known: dict[str, _Trouble] = {}

    def heard(self, session: OpenSession, answer: Answer) -> None:
        if not isinstance(answer, ChecklyError):
            for trouble in self._known.values():
                trouble.was_answered = True
            return
        trouble = self._known.setdefault(answer.reason, _Trouble())
        trouble.answers += 1
        trouble.sessions.add(session.check_session_id)
        trouble.error, trouble.was_answered = str(answer), False

    def tell(self) -> None:
        now = self._monotonic()
        for reason, trouble in list(self._known.items()):
            if trouble.said_at is not None and now - trouble.said_at < SAY_AGAIN_S:
                continue
            if trouble.answers:
                self._say(reason, trouble)
                self._known[reason] = _Trouble(said_at=now, was_answered=trouble.was_answered)
            elif trouble.was_answered:
                log.info("sessions are answered for again", reason=reason)
                del self._known[reason]

    def tell_rest(self) -> None:
        for reason, trouble in self._known.items():
            if trouble.answers:
                self._say(reason, trouble)
        self._known.clear()

    def _say(self, reason: str, trouble: _Trouble) -> None:
        log.warning(
            "no answer about sessions",
            reason=reason,
            sessions=len(trouble.sessions),
            requests=trouble.answers,
            error=trouble.error,
        )


class _Few:
    """Lines of one sort: a few a minute, and then how many more there were, by their kind."""

    def __init__(self, monotonic: Monotonic, *, more: str) -> None:
        self._monotonic = monotonic
        self._sentence = more
        self._began_at: float | None = None
        self._named = 0
        self._more: Counter[str] = Counter()

    def has_room(self, kind: str) -> bool:
        """Whether one more may be said now; it is counted if not."""
        self.tell()
        if self._began_at is None:
            self._began_at = self._monotonic()
        if self._named >= NAMED_A_MINUTE:
            self._more[kind] += 1
            return False
        self._named += 1
        return True

    def tell(self) -> None:
        if self._began_at is not None and self._monotonic() - self._began_at >= SAY_AGAIN_S:
            self.tell_rest()

    def tell_rest(self) -> None:
        if self._more:
            log.warning(self._sentence, more=self._more.total(), **dict(sorted(self._more.items())))
        self._began_at, self._named = None, 0
        self._more.clear()


def _shows_no_end(answer: Answer) -> bool:
    return isinstance(answer, StillRunning) or (isinstance(answer, SessionSnapshot) and not answer.is_final)


class _Holding:
    """Whether Checkly holds its answers for as long as it is asked to, which is what keeps requests few."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._is_held = True
        self._said_at: float | None = None
        self._otherwise = 0
        """Answers in a row that say the contrary of what was said last."""

    def heard(self, answer: Answer, *, asked_s: float, held_s: float) -> None:
        if _shows_no_end(answer) and asked_s >= SHORTEST_FITTED_WAIT_S:
            self._otherwise = self._otherwise + 1 if (held_s >= asked_s / 2) != self._is_held else 0
        now = self._monotonic()
        just_said = self._said_at is not None and now - self._said_at < SAY_AGAIN_S
        if self._otherwise < IN_A_ROW or just_said:
            return
        self._is_held, self._said_at, self._otherwise = not self._is_held, now, 0
        if self._is_held:
            log.info("answers are held again")
        else:
            log.warning("answers are not held, sessions cost more requests", asked_s=asked_s, held_s=round(held_s, 1))
