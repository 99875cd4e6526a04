"""Owns what signals mean to a recorder process: before it stands, while it runs, and when one comes twice."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Final

_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


def leave_on_signals() -> None:
    """Until there is anything to end in order, SIGTERM and SIGINT end the process with 0 and one line.

    Whatever it waits for: Checkly, a database. A transaction under way is never committed. SIGHUP waits until
    `reload_on_signal` takes it.
    """

    def leave(_number: int) -> None:
        sys.stderr.write("recorder: told to stop before anything was started\n")
        sys.stderr.flush()
        os._exit(0)

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    _when_told_to_stop(leave)


def stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT set the flag; a second one leaves at once."""

    def handle(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    _when_told_to_stop(handle)


def _when_told_to_stop(handle: Callable[[int], None]) -> None:
    """Have a thread call this with each SIGTERM and SIGINT from now on. For the main thread.

    The system's handler tells it over a pipe: Python's handlers wait until the main thread is back from where it is,
    and SQLite may hold it for half a minute.
    """
    told, telling = socket.socketpair()
    telling.settimeout(0)
    for number in _STOPPING:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(told, telling, handle), name="signals", daemon=True).start()


def _listen(told: socket.socket, _telling: socket.socket, handle: Callable[[int], None]) -> None:
    """Until the end of the process; both ends of the pipe stay open as long."""
    while numbers := told.recv(16):
        for number in numbers:
            if number in _STOPPING:
                handle(number)


def reload_on_signal(ask_to_reload: Callable[[], None]) -> None:
    """SIGHUP asks for the new configuration, also one that came while the process was starting."""
    signal.signal(signal.SIGHUP, lambda *_: ask_to_reload())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
