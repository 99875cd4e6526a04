"""The process that is killed: `python -m tests.kill.child` forks a real daemon for each order it reads.

It has imported everything before the first fork, so that a daemon stands within a tenth of a second. An order is a line
of JSON on stdin, the answer a line on stdout: `{"daemon": {...}}` -> `{"pid": 123}`, `{"reap": 123}` -> `{"code": -9}`.
It starts no thread, and everything it has forked dies with it.
"""

import ctypes
import gc
import importlib
import json
import os
import signal
import sqlite3
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psycopg  # noqa: F401 - imported before the fork, as everything is
from sqlalchemy import Engine, event

from recorder import db, logs, wiring
from recorder.access import ChecklyAccess
from recorder.config import load_settings
from recorder.daemon import Daemon
from recorder.errors import RecorderError
from recorder.signals import reload_on_signal, stop_on_signals
from recorder.spool import Spool, spool_for
from tests.kill.mutants import MUTANTS
from tests.kill.points import FireLabel, WatchedClient, WatchedSpool, label_intents, watch_commits
from tests.kill.surgery import replace_part

PR_SET_PDEATHSIG: Final = 1
BUSY: Final = "a unit of work met a busy database"
"""What the log says when a transaction failed because another writer was there."""
DIES: Final = "dies here"
"""What the log of a daemon ends with when it has reached the point that kills it."""
HASTE: Final[dict[str, dict[str, Any]]] = {
    "budget": {"_PAUSE_S": 0.5, "_LEAST_PAUSE_S": 0.1, "COMES_BACK_S": 1.0},
    "safekeeping": {"REST": timedelta(seconds=5)},
    "daemon": {"SWEEP_S": 0.5},
    "following": {"TROUBLE_POLL": timedelta(seconds=0.5), "SETTLING_POLL": timedelta(seconds=0.5)},
    "ledger": {"INTENT_LEASE": timedelta(seconds=10)},
    "open_sessions": {"LEASE": timedelta(seconds=5), "LONGEST_WAIT_S": 1},
    "pacing": {"LONGEST_RUN_S": 0.5, "PRIORS": {}},  # sessions last as long as they say, and hundreds of times less
    "roster": {"BEAT_S": 0.5, "SILENT_FOR": timedelta(seconds=4)},
    "sending": {"RESEND_AFTER": timedelta(seconds=0.5)},
}
"""Shorter pauses, by module. What the protocol needs of them still holds: the lease of a session is longer than its
request (1 s of waiting, 2 s of grace), that of an intent longer than the stall limit and its request (5 s and 2 s)."""


@dataclass(frozen=True, slots=True)
class Order:
    """One daemon: its environment and configuration, where its log goes, the nth passing of which point kills it."""

    environ: dict[str, str]
    config: str
    log: str
    kill_at: str | None = None
    nth: int = 1
    mutant: str | None = None


@dataclass(frozen=True, slots=True)
class WriterOrder:
    """A second writer on a SQLite file, as a command in the foreground would be, but without a rest."""

    database: str


def main() -> None:
    """Serve orders until stdin ends."""
    die_with_parent()
    gc.freeze()
    while line := sys.stdin.readline():
        order = json.loads(line)
        if "reap" in order:
            _, status = os.waitpid(order["reap"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        elif "daemon" in order:
            answer = {"pid": fork(run_daemon, Order(**order["daemon"]))}
        else:
            answer = {"pid": fork(write_without_rest, WriterOrder(**order["writer"]))}
        print(json.dumps(answer), flush=True)  # noqa: T201 - the protocol


def fork(run: Callable[[Any], int], order: object) -> int:
    """Run a function in a child process; the child's pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        die_with_parent()
        code = run(order)
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's loop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def die_with_parent() -> None:
    """Be killed when the process that started this one ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_daemon(order: Order) -> int:
    """Run the recorder as `recorder run` does; the exit code."""
    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logs.set_up("info", as_json=True)
    make_haste()
    if order.mutant is not None:
        MUTANTS[order.mutant]()
    label = FireLabel()
    reached = Trap(order.kill_at, order.nth, label) if order.kill_at is not None else ignore
    settings = load_settings(Path(order.config), environ=order.environ, cwd=Path(order.config).parent)
    try:
        engine = db.open_engine(settings.database.url)
        watch(engine, reached, label)
        parts = wiring.build(settings, engine)
        stop_on_signals(parts.stop)
        daemon = Daemon(parts)
        reload_on_signal(daemon.ask_to_reload)
        daemon.run()
    except RecorderError as error:
        print(error, file=sys.stderr)  # noqa: T201 - as the command line does
        return error.exit_code
    return 0


def make_haste() -> None:
    """Put the shorter pauses in place."""
    for module, constants in HASTE.items():
        loaded = importlib.import_module(f"recorder.{module}")
        for name, value in constants.items():
            replace_part(loaded, name, value)


def watch(engine: Engine, reached: Callable[[str], None], label: FireLabel) -> None:
    """Have `reached` told of every named point that this process passes, and the log of every busy database."""
    label_intents(label)
    watch_commits(engine, reached)
    event.listen(engine, "handle_error", say_when_busy)

    def new_client(access: ChecklyAccess, **_: object) -> WatchedClient:
        return WatchedClient(access, reached=reached, label=label)

    def new_spool(engine: Engine, configured: Path | None) -> Spool:
        return WatchedSpool(spool_for(engine, configured).folder, reached=reached)

    replace_part(wiring, "ChecklyClient", new_client)
    replace_part(wiring, "spool_for", new_spool)


class Trap:
    """Kills this process, as a power cut would, at the nth passing of a point; the log says for which fire."""

    def __init__(self, point: str, nth: int, label: FireLabel) -> None:
        self._point = point
        self._left = nth
        self._label = label
        self._lock = threading.Lock()

    def __call__(self, point: str) -> None:
        with self._lock:
            if point != self._point:
                return
            self._left -= 1
            if self._left <= 0:
                line = json.dumps({"event": DIES, "point": point, "fire": self._label.pk})
                os.write(2, f"{line}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)


def ignore(_point: str) -> None:
    """Pass every point alive."""


def say_when_busy(context: Any) -> None:
    """Log a transaction that failed because of another writer, before it is replayed."""
    if "locked" in str(context.original_exception):
        print(json.dumps({"event": BUSY}), file=sys.stderr, flush=True)  # noqa: T201 - a line of the log


def write_without_rest(order: WriterOrder) -> int:
    """Commit small writes to a SQLite file for ever, waiting politely for the other writer.

    Each changes a number in a table of its own: SQLite does not write what stays as it is.
    """
    connection = sqlite3.connect(order.database, isolation_level=None, timeout=30)
    breath = threading.Event()
    connection.execute("CREATE TABLE beside (times INTEGER)")
    connection.execute("INSERT INTO beside VALUES (0)")
    while True:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE beside SET times = times + 1")
        connection.execute("COMMIT")
        breath.wait(0.002)


if __name__ == "__main__":
    main()
