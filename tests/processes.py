"""Real recorder processes: started as a user starts them, watched, killed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from recorder.clock import monotonic
from recorder.simulator.server import SimulatorServer

PATIENCE_S: Final = 120.0


def environment(checkly: SimulatorServer, *, key: str = "secret-test-key") -> dict[str, str]:
    """What a user would export to talk to this simulator; nothing of the tester's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHECKLY_", "RECORDER_"))}
    return kept | {
        "CHECKLY_API_KEY": key,
        "CHECKLY_ACCOUNT_ID": checkly.account_id,
        "CHECKLY_API_URL": checkly.base_url,
    }


def recorder(*arguments: str, folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    command = [sys.executable, "-m", "recorder.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@contextmanager
def running(*arguments: str, folder: Path, environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command in the background, its stderr in `stderr.txt`; killed at the end if it still runs."""
    command = [sys.executable, "-m", "recorder.cli", *arguments]
    with (folder / "stderr.txt").open("ab") as stderr:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
    """Send a signal and wait; the exit code."""
    process.send_signal(number)
    return process.wait(PATIENCE_S)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as the condition holds; fail with `what` when it does not in time."""
    pause, give_up_at = threading.Event(), monotonic() + PATIENCE_S
    while not condition():
        if monotonic() > give_up_at:
            raise AssertionError(f"waited {PATIENCE_S:g} s in vain for: {what}")
        pause.wait(0.05)
