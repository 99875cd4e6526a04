"""Runs the command line inside the test's own process, as a user would type it, and gives back what was printed."""

import contextlib
import gc
import io
import json
import os
import signal
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from recorder import cli
from recorder.simulator.checkly import Settings
from recorder.simulator.server import SimulatorServer

SCHEDULES: Final = """
[[schedules]]
name = "critical"
every = "10m"
match_tags = [["critical"]]
"""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code, what it wrote to stdout and to stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def table(self) -> list[list[str]]:
        """The cells of a table, its head first."""
        return [line.split("\t") for line in self.out.splitlines()]


def command(*arguments: str, folder: Path, environ: Mapping[str, str] | None = None) -> Done:
    """Run one command in a folder with these variables and none of the tester's own."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        _variables(environ or {}),
        _signals_and_logs(),
        _connections(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = cli.run(arguments)
    return Done(code, out.getvalue(), err.getvalue())


def one_line(done: Done) -> str:
    """The one line on stderr of a command that printed nothing else."""
    assert done.out == ""
    assert done.err.endswith("\n")
    assert done.err.count("\n") == 1, done.err
    return done.err.rstrip("\n")


def account(checkly: SimulatorServer, *, key: str = "demo-key") -> dict[str, str]:
    """The variables that lead to a simulated account."""
    return {"CHECKLY_API_KEY": key, "CHECKLY_ACCOUNT_ID": checkly.account_id, "CHECKLY_API_URL": checkly.base_url}


def quick_checkly(**settings: Any) -> SimulatorServer:
    """A simulated account where nothing goes wrong and a minute takes a fiftieth of a second."""
    return SimulatorServer(speed=3000.0, settings=Settings(scenarios=(), **settings))


@contextlib.contextmanager
def _variables(environ: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in before:
        if name.startswith(("CHECKLY_", "RECORDER_")):
            del os.environ[name]
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _signals_and_logs() -> Iterator[None]:
    before = [signal.getsignal(number) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        structlog.reset_defaults()


@contextlib.contextmanager
def _connections() -> Iterator[None]:
    """A command leaves its connections to the end of its process; here the process goes on."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
