"""The test's side of `tests.kill.child`: starts daemons through it, waits for them, kills them."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.kill.child import Order, WriterOrder

ROOT: Final = Path(__file__).parents[2]


@dataclass
class Zygote:
    """The parent of all daemons; it has nothing to do with one campaign or another."""

    process: subprocess.Popen[str]
    children: list["Child"] = field(default_factory=list)

    def start(self, order: Order) -> "Child":
        """Fork a daemon."""
        return self._child({"daemon": asdict(order)}, Path(order.log))

    def start_writer(self, order: WriterOrder) -> "Child":
        """Fork a second writer."""
        return self._child({"writer": asdict(order)}, None)

    def reap(self, pid: int) -> int:
        """Wait for a child; its exit code, negative for a signal."""
        return int(self._ask({"reap": pid})["code"])

    def _child(self, order: dict[str, Any], log: Path | None) -> "Child":
        pid = int(self._ask(order)["pid"])
        self.children.append(Child(self, pid, os.pidfd_open(pid), log))
        return self.children[-1]

    def kill_all(self) -> None:
        """Kill and bury every child that is not buried yet."""
        while self.children:
            self.children.pop().kill()

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@dataclass
class Child:
    """A forked process; its pid is its own until it is buried. A daemon writes a log."""

    zygote: Zygote
    pid: int
    descriptor: int
    log: Path | None
    code: int | None = None

    def has_logged(self, event: str) -> bool:
        """Whether its log tells of this event."""
        return self.log is not None and self.log.exists() and f'"{event}"' in self.log.read_text()

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended; whether it has."""
        return bool(wait_for_any([self], seconds))

    def signal(self, number: int) -> None:
        """Send a signal, unless it is buried."""
        if self.code is None:
            os.kill(self.pid, number)

    def bury(self) -> int:
        """Wait for its end and forget it; the exit code."""
        if self.code is None:
            self.code = self.zygote.reap(self.pid)
            os.close(self.descriptor)
        return self.code

    def kill(self) -> int:
        """Kill it and bury it; the exit code, which tells whether it had ended by itself."""
        self.signal(signal.SIGKILL)
        return self.bury()


def wait_for_any(children: Sequence[Child], seconds: float) -> list[Child]:
    """Wait until one of them has ended, at most so long; those that have."""
    poll = select.poll()
    for child in children:
        poll.register(child.descriptor, select.POLLIN)
    ended = {descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)}
    return [child for child in children if child.descriptor in ended]


@contextmanager
def zygote() -> Iterator[Zygote]:
    """A parent of daemons; all of them die with it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.kill.child"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Zygote(process)
    finally:
        process.kill()
        process.communicate()
