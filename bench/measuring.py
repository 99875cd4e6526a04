"""Repetitions that are fair on a shared machine: the two sides take turns, and the ratio of each turn counts."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Literal

REPETITIONS = 5


@dataclass
class Stopwatch:
    """Seconds of CPU of this process, and of life."""

    cpu_s: float = 0.0
    life_s: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what passes in the block."""
        cpu, life = process_time(), perf_counter()
        yield
        self.cpu_s += process_time() - cpu
        self.life_s += perf_counter() - life


What = Literal["cpu_s", "life_s"]
Side = Callable[[Stopwatch], None]


@dataclass
class Paired:
    """What two sides took, turn by turn."""

    ours: list[Stopwatch] = field(default_factory=list)
    theirs: list[Stopwatch] = field(default_factory=list)

    def ratio(self, what: What) -> float:
        """Median over the turns of what the reference took by what we took: 1.0 is as fast, 0.5 half as fast."""
        turns = zip(self.ours, self.theirs, strict=True)
        return statistics.median([float(getattr(their, what) / getattr(our, what)) for our, their in turns])

    def median(self, side: Literal["ours", "theirs"], what: What) -> float:
        """The median of one side, in seconds."""
        return statistics.median([float(getattr(one, what)) for one in getattr(self, side)])


def take_turns(ours: Side, theirs: Side, *, repetitions: int = REPETITIONS) -> Paired:
    """Let each side work as often, in turns that change who begins; the first turn warms up and does not count."""
    paired = Paired()
    for turn in range(repetitions + 1):
        watches = (Stopwatch(), Stopwatch())
        sides = [(ours, watches[0]), (theirs, watches[1])]
        for side, watch in sides if turn % 2 else reversed(sides):
            side(watch)
        if turn:
            paired.ours.append(watches[0])
            paired.theirs.append(watches[1])
    return paired
