"""A recorder and a Checkly on one simulated clock: the real pacing and judging, without threads or a network."""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from recorder.budget import RequestBudget
from recorder.errors import NoSuchThing
from recorder.following import Answer, judge
from recorder.open_sessions import OpenSession
from recorder.pacing import REMEMBERED_RUNS, Expectation, expect
from recorder.payloads import SessionSnapshot, StillRunning
from recorder.store import Recording
from recorder.tracking import BATCH_WAIT_S, FEED_EVERY_S
from tests.factories import NOW, running, session, snapshot

TRAVEL_S: Final = 0.05
"""A request's way there and back."""
_NAMES: Final = UUID(int=4)
_RUNNING: Final = snapshot(running())
_FINAL: Final = snapshot(session())
_NEVER: Final = float("inf")

Asked = tuple[float, Answer]
"""When an answer arrives, and what it is."""
Behaviour = Callable[["Run", float, int], Asked]
"""How a server answers about a run that is asked for at a moment, with a wait in seconds."""


@dataclass
class Run:
    """One session as the world knows it, with what the recorder did about it; moments in seconds of the world."""

    check: str
    began_at: float
    ends_at: float
    open: OpenSession
    next_poll_at: datetime
    expected_at: datetime
    asked_at: list[float] = field(default_factory=list)
    recorded_at: float | None = None
    given_up: str | None = None

    @property
    def lag_s(self) -> float:
        """From the session's end to its record."""
        assert self.recorded_at is not None
        return self.recorded_at - self.ends_at


def honest(run: Run, at: float, wait_s: int) -> Asked:
    """Holds the answer until the session ends, or the wait is over."""
    if run.ends_at <= at + wait_s:
        return max(at, run.ends_at) + TRAVEL_S, _final(run)
    return at + wait_s + TRAVEL_S, StillRunning()


def always_408(_run: Run, at: float, _wait_s: int) -> Asked:
    """Says "still running" at once, whatever is true."""
    return at + TRAVEL_S, StillRunning()


def at_once(run: Run, at: float, _wait_s: int) -> Asked:
    """Waits for nothing: shows the session as it stands."""
    return at + TRAVEL_S, _final(run) if run.ends_at <= at else replace(_RUNNING, check_session_id=_id(run))


def forgetful(_run: Run, at: float, _wait_s: int) -> Asked:
    """Knows no session."""
    return at + TRAVEL_S, NoSuchThing("", reason="not_found", http_status=404)


def _id(run: Run) -> UUID:
    return run.open.check_session_id


def _final(run: Run) -> SessionSnapshot:
    return replace(_FINAL, check_session_id=_id(run), time_elapsed_ms=round((run.ends_at - run.began_at) * 1000))


class World:
    """Starts sessions, lets time pass in steps of the feeder, and remembers every request that left."""

    def __init__(
        self,
        *,
        server: Behaviour = honest,
        per_minute: float = 540,
        width: int = 270,
        clock_error_s: Callable[[float], float] = lambda _: 0.0,
    ) -> None:
        """`clock_error_s` is how wrong the recorder's wall clock is at a moment."""
        self.at = 0.0
        self.runs: list[Run] = []
        self.requests: list[float] = []
        self.history: dict[str, deque[float]] = {}
        self.budget = RequestBudget(per_minute, monotonic=lambda: self.at)
        self._server = server
        self._width = width
        self._clock_error_s = clock_error_s
        self._numbers = itertools.count(1)
        self._waiting: list[tuple[datetime, int, Run]] = []
        self._due: list[tuple[datetime, int, Run]] = []
        self._answers: list[tuple[float, int, Run, Answer]] = []
        self._batch_at = 0.0

    def now(self) -> datetime:
        """The recorder's wall clock."""
        return NOW + timedelta(seconds=self.at + self._clock_error_s(self.at))

    def start(self, check: str, duration_s: float = _NEVER, *, timeout_s: float = 3600, kind: str = "API") -> Run:
        """Trigger a session of a check now."""
        number, now = next(self._numbers), self.now()
        expectation = self.expectation(check, kind)
        opened = OpenSession(
            number,
            uuid5(_NAMES, str(number)),
            "schedule",
            now + timedelta(seconds=timeout_s),
            None,
            None,
            None,
            recorded_at=now,
            expectation=expectation,
        )
        first, middle = (now + timedelta(seconds=one) for one in (expectation.early_s, expectation.middle_s))
        run = Run(check, self.at, self.at + duration_s, opened, first, middle)
        self.runs.append(run)
        self._wait(run)
        return run

    def expectation(self, check: str, kind: str = "API") -> Expectation:
        """What has been learned of a check."""
        return expect(kind, tuple(self.history.get(check, ())))

    def pass_time(self, seconds: float) -> None:
        """Let the threads of the recorder do what they do, each a quarter of a second."""
        until = self.at + seconds
        while self.at < until:
            self.at += FEED_EVERY_S
            self._write()
            self._feed()

    def drain(self, limit_s: float = 7200) -> None:
        """Let time pass until no session is followed any more, or for `limit_s` at most."""
        until = self.at + limit_s
        while (self._waiting or self._due or self._answers) and self.at < until:
            self.pass_time(FEED_EVERY_S)

    def busiest_minute(self) -> int:
        """The most requests that left within any 60 seconds."""
        window: deque[float] = deque()
        busiest = 0
        for at in self.requests:
            window.append(at)
            while window[0] <= at - 60:
                window.popleft()
            busiest = max(busiest, len(window))
        return busiest

    def _feed(self) -> None:
        turns = self.budget.take_for_reads(self._width - len(self._answers))
        claimed = self._claim(turns)
        self.budget.give_back(turns - len(claimed))
        for run in claimed:
            self._ask(run)

    def _claim(self, limit: int) -> list[Run]:
        while self._waiting and self._waiting[0][0] <= self.now():
            run = heapq.heappop(self._waiting)[-1]
            heapq.heappush(self._due, (run.expected_at, run.open.pk, run))
        return [heapq.heappop(self._due)[-1] for _ in range(min(limit, len(self._due)))]

    def _ask(self, run: Run) -> None:
        run.asked_at.append(self.at)
        self.requests.append(self.at)
        run.open = replace(run.open, expectation=self.expectation(run.check))
        answer_at, answer = self._server(run, self.at, run.open.wait_s(self.now()))
        heapq.heappush(self._answers, (answer_at, len(self.requests), run, answer))

    def _write(self) -> None:
        """What belongs to batches that were written by now."""
        while self._answers and (written_at := self._written_at(self._answers[0][0])) <= self.at:
            self._batch_at = written_at
            arrived_at, _, run, answer = heapq.heappop(self._answers)
            verdict = judge(run.open, answer, now=self.now(), held_s=arrived_at - run.asked_at[-1])
            if isinstance(verdict, Recording):
                self._record(run, verdict, written_at)
            else:
                missing, abandoned = verdict.missing_since, run.open.abandoned_at or verdict.abandoned_at
                run.open = replace(run.open, missing_since=missing, abandoned_at=abandoned)
                run.given_up = run.given_up or verdict.abandoned_reason
                self._schedule(run, verdict.next_poll_at, verdict.expected_at)

    def _written_at(self, arrived_at: float) -> float:
        """A batch waits 250 ms after the one before, and after a pause for nothing."""
        return self._batch_at if arrived_at <= self._batch_at else max(arrived_at, self._batch_at + BATCH_WAIT_S)

    def _record(self, run: Run, verdict: Recording, at: float) -> None:
        if verdict.closes:
            run.recorded_at = at
            elapsed_ms = verdict.snapshot.time_elapsed_ms or 0
            self.history.setdefault(run.check, deque(maxlen=REMEMBERED_RUNS)).appendleft(elapsed_ms)
        else:
            self._schedule(run, verdict.next_poll_at, verdict.expected_at)

    def _schedule(self, run: Run, next_poll_at: datetime | None, expected_at: datetime | None) -> None:
        if next_poll_at is not None and run.open.abandoned_at is None:
            run.next_poll_at, run.expected_at = next_poll_at, expected_at or next_poll_at
            self._wait(run)

    def _wait(self, run: Run) -> None:
        heapq.heappush(self._waiting, (run.next_poll_at, run.open.pk, run))


def requests_per_session(runs: Sequence[Run]) -> float:
    return sum(len(run.asked_at) for run in runs) / len(runs)


def mean_lag_s(runs: Sequence[Run]) -> float:
    return sum(run.lag_s for run in runs) / len(runs)


def outcomes(runs: Sequence[Run]) -> Counter[Any]:
    """How many runs were recorded (True), given up (the reason) or are still open (None)."""
    return Counter(run.given_up or (run.recorded_at is not None) or None for run in runs)
