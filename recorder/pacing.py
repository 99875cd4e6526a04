"""Pure: when to ask for a session, and how many requests may leave."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LONGEST_WAIT_S: Final = 30
"""What Checkly allows as `maxWaitSeconds`."""
LEASE: Final = timedelta(seconds=LONGEST_WAIT_S + 30)
"""How long a session being asked for is left alone by others; after a crash it is asked for again then."""
SETTLING: Final = timedelta(seconds=60)
"""How long a final session waits for results of locations that have none yet."""
SETTLING_POLL: Final = timedelta(seconds=5)
FORGOTTEN_AFTER: Final = timedelta(minutes=2)
"""How long a 404 for a known session is tried again before the session counts as gone."""
FORGOTTEN_POLL: Final = timedelta(seconds=10)
LATE_POLL: Final = timedelta(hours=1)
LATE_FOR: Final = timedelta(hours=24)
"""An abandoned session is still asked for hourly for a day."""
TROUBLE_POLL: Final = timedelta(seconds=10)
REFUSED_POLL: Final = timedelta(minutes=1)

_FIRST_ASK_S: Final = {"BROWSER": 5.0, "MULTI_STEP": 3.0, "PLAYWRIGHT": 15.0, "AGENTIC": 15.0}


def first_poll_at(check_type: str, *, now: datetime) -> datetime:
    """When a session that has just been triggered is first asked for: soon for protocol checks, later for browsers."""
    return now + timedelta(seconds=_FIRST_ASK_S.get(check_type, 1.0))


@dataclass(slots=True)
class TokenBucket:
    """A request budget on a monotonic clock given by the caller: `per_minute` requests, `burst` of them at once.

    In any 60 seconds at most `per_minute + burst` leave. `reserve` tokens are kept for callers that go first: triggers.
    Source: the token bucket of RFC 2697, with one rate.
    """

    per_minute: float
    burst: float
    tokens: float
    updated_at: float
    paused_until: float = 0.0

    @classmethod
    def full(cls, *, per_minute: float, at: float) -> "TokenBucket":
        """A bucket that may start at once; it holds a twentieth of a minute's requests, at least one."""
        burst = max(1.0, per_minute / 20)
        return cls(per_minute, burst, burst, at)

    def wait_s(self, at: float, *, reserve: float = 0.0) -> float:
        """Seconds until one token may be taken; 0.0 means that it has been taken now."""
        if at < self.paused_until:
            return self.paused_until - at
        self.tokens = min(self.burst, self.tokens + (at - self.updated_at) * self.per_minute / 60)
        self.updated_at = at
        reserve = min(reserve, self.burst - 1)
        if self.tokens >= 1 + reserve:
            self.tokens -= 1
            return 0.0
        return (1 + reserve - self.tokens) * 60 / self.per_minute

    def pause(self, at: float, *, seconds: float) -> None:
        """Let nothing leave for a while: the server said 429."""
        self.paused_until = max(self.paused_until, at + seconds)
