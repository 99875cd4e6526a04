"""Owns what signals mean to a recorder process: before it stands, while it runs, and when one comes twice."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType


def leave_on_signals() -> None:
    """Until there is anything to end in order, SIGTERM and SIGINT end the process with 0 and one line.

    Whatever it waits for: Checkly, a database. A transaction under way is rolled back. SIGHUP waits until
    `reload_on_signal` takes it.
    """

    def leave(_number: int, _frame: FrameType | None) -> None:
        sys.stderr.write("recorder: told to stop before anything was started\n")
        sys.exit(0)

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


def stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT set the flag; a second one leaves at once."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def reload_on_signal(ask_to_reload: Callable[[], None]) -> None:
    """SIGHUP asks for the new configuration, also one that came while the process was starting."""
    signal.signal(signal.SIGHUP, lambda *_: ask_to_reload())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
