"""Pure: when to ask for a session and how long to let Checkly hold the answer, and how many requests may leave."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

LONGEST_WAIT_S: Final = 30
"""What Checkly allows as `maxWaitSeconds`."""
SHORTEST_FITTED_WAIT_S: Final = 5
LEASE: Final = timedelta(seconds=LONGEST_WAIT_S + 30)
"""How long a session being asked for is left alone by others; after a crash it is asked for again then."""
SETTLING: Final = timedelta(seconds=60)
"""How long a final session waits for results of locations that have none yet."""
SETTLING_POLL: Final = timedelta(seconds=5)
OVERDUE_AFTER: Final = timedelta(seconds=2)
"""A session this far past its deadline is given up unasked: the answer to its last question would have come by then."""
FORGOTTEN_AFTER: Final = timedelta(minutes=2)
"""How long a 404 for a known session is tried again before the session counts as gone."""
FORGOTTEN_POLL: Final = timedelta(seconds=10)
LATE_POLL: Final = timedelta(hours=1)
CANCELLED_POLL: Final = timedelta(seconds=10)
"""How soon an abandoned session is asked for after it was to be cancelled."""
LATE_FOR: Final = timedelta(hours=24)
"""An abandoned session is still asked for hourly for a day."""
TROUBLE_POLL: Final = timedelta(seconds=10)
REFUSED_POLL: Final = timedelta(minutes=1)

REMEMBERED_RUNS: Final = 24
"""How many of a check's newest sessions tell how long the next one takes."""
LONGEST_RUN_S: Final = 1800.0
"""What a Playwright suite may take; nobody waits longer before the first question, whatever the history says."""
_ENOUGH_RUNS: Final = 9
"""From here on a tenth of the runs is at least one run, so a 10 % quantile lies between two of them."""
_CAUTION: Final = 0.75
"""With fewer runs the first question comes at this share of the shortest."""
_NEW_REGIME_RUNS: Final = 3
_NEW_REGIME_FACTOR: Final = 2.0
"""Three runs in a row at twice the longest before, or at half the shortest: what was before says nothing any more."""
_TOLD_FACTOR: Final = 3.0
"""How far durations must have changed for a person to be told; below it, what is learned just follows."""
_OVERTIME: Final = 2.0
"""A session that has run this many times as long as any before is no longer expected at any time."""
_UNHELD_SHARE: Final = 0.1
"""A server that does not hold its answers is asked again after this share of the session's age."""
_UNHELD_PAUSE_S: Final = 1.0
_LONGEST_SHOWN_PAUSE_S: Final = 30.0
_RECOVERY_S: Final = 600.0
"""Seconds in which a rate that was cut to nothing would be whole again."""
_LEAST_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Expectation:
    """How long sessions of a check take, in seconds from their start: a tenth, a half, and all of the runs remembered.

    `early_s` is the moment of the first question: one in ten answers is then late by what the run was shorter.
    """

    early_s: float
    middle_s: float
    longest_s: float

    def rest_s(self, age_s: float) -> float:
        """How long a session of this age is expected to go on. Past all experience: as long as so far."""
        for known_s in (self.middle_s, self.longest_s):
            if age_s < known_s:
                return known_s - age_s
        return max(age_s, 1.0)

    def wait_s(self, age_s: float) -> int:
        """How long Checkly should hold its answer, in whole seconds, 5 to 30.

        Nobody waits longer than for twice the longest run: so a connection that died silently is noticed sooner.
        """
        left_s = self.longest_s * _OVERTIME - age_s
        if left_s <= 0:
            return LONGEST_WAIT_S
        return min(max(round(left_s) + 1, SHORTEST_FITTED_WAIT_S), LONGEST_WAIT_S)


@dataclass(frozen=True, slots=True)
class NewRegime:
    """That a check takes another time than it used to: medians in seconds, and of how many runs the older one is."""

    took_s: float
    used_to_take_s: float
    median_of: int


UNKNOWN: Final = Expectation(1.0, 5.0, 30.0)
"""Protocol checks answer within seconds."""
PRIORS: Final = MappingProxyType(
    {
        "BROWSER": Expectation(5.0, 15.0, 60.0),
        "MULTI_STEP": Expectation(3.0, 10.0, 60.0),
        "PLAYWRIGHT": Expectation(15.0, 60.0, 300.0),
        "AGENTIC": Expectation(15.0, 60.0, 300.0),
    }
)
"""What is expected of a check that has never been seen, by its type; `UNKNOWN` of the other types."""


def expect(check_type: str, recent_ms: Sequence[float] = ()) -> Expectation:
    """What to expect of a check, from the durations of its newest sessions in ms, newest first.

    Quantiles are those of Hyndman and Fan's type 6. A duration counts as at most half an hour, as at least nothing.
    """
    runs = sorted(_present_regime(_in_seconds(recent_ms)))
    if not runs:
        return PRIORS.get(check_type, UNKNOWN)
    early_s = statistics.quantiles(runs, n=10)[0] if len(runs) >= _ENOUGH_RUNS else runs[0] * _CAUTION
    return Expectation(early_s, statistics.median(runs), runs[-1])


def is_out_of_line(elapsed_ms: float, expectation: Expectation) -> bool:
    """Whether a run took twice as long as the middle of those before it or half of that, as in any new regime."""
    return _differs(elapsed_ms / 1000, expectation.middle_s, _NEW_REGIME_FACTOR)


def new_regime(recent_ms: Sequence[float], *, newest: int = 1) -> NewRegime | None:
    """What the `newest` of these durations, newest first, have made certain: a change that a person should know of.

    It is certain with the third run in a row; None before, and None after, so that it is told once.
    """
    runs = _in_seconds(recent_ms)
    present = _present_regime(runs)
    before = _present_regime(runs[len(present) :])
    if not before or not _NEW_REGIME_RUNS <= len(present) < _NEW_REGIME_RUNS + newest:
        return None
    took_s, used_to_take_s = statistics.median(present), statistics.median(before)
    return NewRegime(took_s, used_to_take_s, len(before)) if _differs(took_s, used_to_take_s, _TOLD_FACTOR) else None


def _differs(one_s: float, other_s: float, factor: float) -> bool:
    shorter, longer = sorted((one_s, other_s))
    return longer > 0 and longer >= factor * shorter


def _in_seconds(recent_ms: Sequence[float]) -> list[float]:
    return [min(max(ms / 1000, 0.0), LONGEST_RUN_S) for ms in recent_ms[:REMEMBERED_RUNS]]


def _present_regime(newest_first: list[float]) -> list[float]:
    """The runs since durations last changed beyond doubt; all of them when they did not."""
    for end in range(_NEW_REGIME_RUNS, len(newest_first)):
        newer, older = newest_first[end - _NEW_REGIME_RUNS : end], newest_first[end : end + _NEW_REGIME_RUNS]
        grown = min(newer) >= _NEW_REGIME_FACTOR * max(older)
        shrunk = max(newer) * _NEW_REGIME_FACTOR <= min(older)
        if len(older) == _NEW_REGIME_RUNS and (grown or shrunk) and max(older) > 0:
            return newest_first[:end]
    return newest_first


def unheld_pause_s(age_s: float, *, left_s: float) -> float:
    """When to ask again after "still running" came `left_s` seconds before the wait was over, in seconds from then.

    0.0 after a wait that was kept. A server that answers at once would else be asked several times a second.
    """
    return min(max(left_s, 0.0), max(_UNHELD_PAUSE_S, age_s * _UNHELD_SHARE))


def shown_pause_s(age_s: float) -> float:
    """When to ask again after an answer that shows the session without an end, in seconds: 1 to 30, a tenth of its age.

    It was shown instead of waited for, perhaps in a status that this recorder does not know and that never changes.
    """
    return min(max(_UNHELD_PAUSE_S, age_s * _UNHELD_SHARE), _LONGEST_SHOWN_PAUSE_S)


_ROUNDING: Final = 1e-9
"""Whoever has waited as long as was said has a token, however the sums were rounded."""


@dataclass(slots=True)
class TokenBucket:
    """A request budget on a monotonic clock given by the caller: `per_minute` requests, `burst` of them at once.

    In any 60 seconds at most `per_minute` leave, the burst included: what may go at once is taken off the steady rate.
    `reserve` tokens are kept for callers that go first: triggers.
    After a pause the rate is half of what it was and comes back within ten minutes: somebody else uses the account too.
    Sources: the token bucket of RFC 2697, with one rate; multiplicative decrease and additive increase of RFC 5681.
    """

    per_minute: float
    burst: float
    tokens: float
    updated_at: float
    paused_until: float = float("-inf")
    share: float = 1.0
    """What is left of the rate, at `slowed_at`."""
    slowed_at: float = 0.0

    @classmethod
    def full(cls, *, per_minute: float, at: float) -> "TokenBucket":
        """A bucket that may start at once; it holds a twentieth of a minute's requests, at least one."""
        burst = max(1.0, per_minute / 20)
        return cls(per_minute, burst, burst, at)

    def wait_s(self, at: float, *, reserve: float = 0.0) -> float:
        """Seconds until one token may be taken; 0.0 means that it has been taken now."""
        if at < self.paused_until:
            return self.paused_until - at
        rate = self.share_at(at) * (self.per_minute + 1 - self.burst) / 60
        self.tokens = min(self.burst, self.tokens + (at - self.updated_at) * rate)
        self.updated_at = at
        reserve = min(reserve, self.burst - 1)
        if self.tokens >= 1 + reserve - _ROUNDING:
            self.tokens -= 1
            return 0.0
        return (1 + reserve - self.tokens) / rate

    def share_at(self, at: float) -> float:
        """The share of the rate that is granted now, more than 0 and at most 1."""
        return min(1.0, self.share + (at - self.slowed_at) / _RECOVERY_S)

    def take_up_to(self, limit: int, at: float, *, reserve: float = 0.0) -> int:
        """Take as many tokens as there are now, at most `limit`; how many."""
        taken = 0
        while taken < limit and self.wait_s(at, reserve=reserve) == 0.0:
            taken += 1
        return taken

    def give_back(self, tokens: int, at: float) -> None:
        """Return tokens that were taken and not used; while nothing may leave, nothing is saved up."""
        self.tokens = min(self.tokens + tokens, self.burst if at >= self.paused_until else 1.0)

    def pause(self, at: float, *, seconds: float) -> None:
        """Let nothing leave for a while, then less than before: the server said 429.

        Requests that were on their way together are refused together: within one pause the rate is halved once.
        """
        if at >= self.paused_until:
            self.share, self.slowed_at = max(self.share_at(at) / 2, _LEAST_SHARE), at
        self.hold(at, seconds=seconds)

    def hold(self, at: float, *, seconds: float) -> None:
        """Let nothing leave for a while, then as much as before."""
        self.paused_until = max(self.paused_until, at + seconds)
        self.tokens, self.updated_at = min(self.tokens, 1.0), self.paused_until
