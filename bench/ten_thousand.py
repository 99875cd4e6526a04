"""Follow 10,000 open sessions on 540 requests a minute: the real claims, pacing and writes on a simulated clock.

    python -m bench.ten_thousand                # some two minutes, on SQLite in a temporary folder

Durations are those of the 60/30/10 mix, unknown beforehand, all started at once: the worst that can be asked of the
budget. Prints how many were recorded, the busiest minute, the longest that anybody waited, and the peak of memory.
"""

import argparse
import heapq
import random
import resource
import sys
from collections import deque
from datetime import timedelta
from itertools import count
from math import log
from typing import Final
from uuid import UUID

from sqlalchemy import Engine, text

from bench.sessions import NOW, Scratch, in_batches
from recorder.budget import RequestBudget
from recorder.db import transact
from recorder.open_sessions import OpenSession, claim_open_sessions
from recorder.payloads import StillRunning, parse_session
from recorder.store import Recording, record_sessions
from recorder.tracking import BATCH_WAIT_S, FEED_EVERY_S, Fetched, write_answers
from tests.factories import CHECK_ID, running, session, some_id

PER_MINUTE: Final = 540
WIDTH: Final = 270
MEDIANS_S: Final = (3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 25.0, 25.0, 25.0, 180.0)
CHECKS: Final = 100


class Following:
    """The feeder, the fetchers and the writer of a tracker, one after the other on one clock."""

    def __init__(self, engine: Engine, sessions: int) -> None:
        self.at = 0.0
        self.requests: deque[float] = deque()
        self.busiest = self.asked = 0
        self.lags: list[float] = []
        self._engine = engine
        self._budget = RequestBudget(PER_MINUTE, monotonic=lambda: self.at)
        self._answers: list[tuple[float, int, float, OpenSession]] = []
        self._order = count()
        rng = random.Random(1)  # noqa: S311 - repeatable
        self._ends: dict[UUID, float] = {
            UUID(some_id(f"open {number}")): rng.lognormvariate(log(MEDIANS_S[number % 10]), 0.25)
            for number in range(sessions)
        }
        self.open = sessions
        opened = [
            parse_session(running(f"open {number}", checkId=some_id(f"{CHECK_ID} {number % CHECKS}")))
            for number in range(sessions)
        ]
        for some in in_batches(opened, 500):
            rows = [
                Recording(one, "schedule", closes=False, next_poll_at=NOW, deadline_at=NOW + timedelta(hours=1))
                for one in some
            ]
            transact(engine, lambda db, rows=rows: record_sessions(db, rows, now=NOW))  # type: ignore[misc]

    def step(self) -> None:
        """A quarter of a second: write what has come, ask for what may be asked for."""
        self.at += FEED_EVERY_S
        self._write()
        turns = self._budget.take_for_reads(WIDTH - len(self._answers))
        now = NOW + timedelta(seconds=self.at)
        claimed = transact(self._engine, lambda db: claim_open_sessions(db, now=now, limit=turns)) if turns else []
        self._budget.give_back(turns - len(claimed))
        for one in claimed:
            self._count_request()
            ends_at = max(self.at, self._ends[one.check_session_id])
            answered_at = min(ends_at, self.at + one.wait_s(now)) + 0.05
            heapq.heappush(self._answers, (answered_at, next(self._order), self.at, one))

    def _count_request(self) -> None:
        self.asked += 1
        self.requests.append(self.at)
        while self.requests[0] <= self.at - 60:
            self.requests.popleft()
        self.busiest = max(self.busiest, len(self.requests))

    def _write(self) -> None:
        batch: list[Fetched] = []
        while self._answers and self._answers[0][0] <= self.at - BATCH_WAIT_S:
            answered_at, _, asked_at, one = heapq.heappop(self._answers)
            batch.append(self._fetched(one, answered_at, asked_at))
        if batch:
            transact(self._engine, lambda db: write_answers(db, batch))

    def _fetched(self, one: OpenSession, answered_at: float, asked_at: float) -> Fetched:
        held_s, now = answered_at - asked_at, NOW + timedelta(seconds=self.at)
        ends_at = self._ends[one.check_session_id]
        if ends_at > answered_at:
            return Fetched(one, StillRunning(), now, held_s)
        self.open -= 1
        self.lags.append(answered_at - ends_at)
        name = str(one.check_session_id)
        number = session(name, checkSessionId=name, checkId=some_id(f"{CHECK_ID} {(one.pk - 1) % CHECKS}"))
        return Fetched(one, parse_session(number | {"timeElapsed": round(ends_at * 1000)}), now, held_s)


def main() -> int:
    """0 when every session was recorded within the budget and 200 MB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    sessions = parser.parse_args().sessions
    with Scratch() as scratch:
        engine = scratch.new_sqlite()
        following = Following(engine, sessions)
        while following.open and following.at < 4 * 3600:
            following.step()
        following.at += 1
        following.step()
        with engine.connect() as connection:
            recorded = connection.execute(text("SELECT COUNT(final_at) FROM check_sessions")).scalar_one()
        engine.dispose()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    fastest_s = sessions * 60 / PER_MINUTE
    print(
        f"{recorded} of {sessions} recorded in {following.at:.0f} simulated seconds (the budget alone: {fastest_s:.0f})"
    )
    print(f"{following.asked / sessions:.2f} requests a session, busiest minute {following.busiest}")
    print(f"longest lag {max(following.lags):.0f} s, peak memory {peak_mb:.0f} MB")
    return 0 if recorded == sessions and following.busiest <= PER_MINUTE and peak_mb < 200 else 1


if __name__ == "__main__":
    sys.exit(main())
