"""How many requests a recorded session costs, and how late its end is seen: the real pacing on a simulated clock.

    python -m bench.requests_per_session

1,000 sessions count, after twenty runs of each of a hundred checks to learn from; the median of three seeds. Beside it
what two plain ways would take for the same durations: a GET every five seconds, and the loop of the official command
line, which asks `completion` with a wait of 30 s from the start, over and over.
"""

import statistics
import sys
from collections.abc import Sequence
from math import ceil
from typing import Final

from tests.pacing_world import Run, World, mean_lag_s, requests_per_session
from tests.test_pacing_world import run_mix

MIXES: Final = {
    "60/30/10 of 3, 25 and 180 s": (3.0,) * 60 + (25.0,) * 30 + (180.0,) * 10,
    "all under 20 s": tuple(1.0 + 9 * share / 99 for share in range(100)),
}
SEEDS: Final = (1, 2, 3)
PLAIN_EVERY_S: Final = 5.0
CLI_WAIT_S: Final = 30.0


def main() -> int:
    """Print three lines for each mix."""
    for name, medians_s in MIXES.items():
        print(f"{name}:")
        taken = [run_mix(World(), medians_s, rounds=30, seed=seed) for seed in SEEDS]
        show("recorder", [(requests_per_session(runs), mean_lag_s(runs)) for runs in taken])
        show("GET every 5 s", [plain(runs) for runs in taken])
        show("official CLI", [official(runs) for runs in taken])
    return 0


def show(who: str, taken: Sequence[tuple[float, float]]) -> None:
    """Medians of requests per session and of the mean lag in seconds."""
    requests, lags = (statistics.median(values) for values in zip(*taken, strict=True))
    print(f"  {who:14} {requests:5.2f} requests a session, {lags:.2f} s mean lag")


def durations(runs: Sequence[Run]) -> list[float]:
    """What each session took, in seconds."""
    return [run.ends_at - run.began_at for run in runs]


def plain(runs: Sequence[Run]) -> tuple[float, float]:
    """Ask every five seconds until it is over."""
    asked = [ceil(one / PLAIN_EVERY_S) for one in durations(runs)]
    lags = [times * PLAIN_EVERY_S - one for times, one in zip(asked, durations(runs), strict=True)]
    return statistics.fmean(asked), statistics.fmean(lags)


def official(runs: Sequence[Run]) -> tuple[float, float]:
    """Wait 30 s at the server, again and again: it answers when the session ends."""
    return statistics.fmean(max(1, ceil(one / CLI_WAIT_S)) for one in durations(runs)), 0.05


if __name__ == "__main__":
    sys.exit(main())
