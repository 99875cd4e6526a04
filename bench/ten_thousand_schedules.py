"""Start a daemon with 10,000 schedules: how soon it triggers, and how late a burst of triggers leaves.

    python -m bench.ten_thousand_schedules      # some two minutes: a real daemon, SQLite, the simulator

20 of the schedules are due together every 20 s, the others once a day. Prints the seconds from the process's start to
its first trigger, and the drift (from the due time to the intent that is written right before the request) of the
bursts after the first, for whose due time the daemon may not have been there yet.
"""

import argparse
import sys
import tempfile
import threading
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError

from recorder import db
from recorder.clock import utc_now
from recorder.models import Fire
from recorder.simulator.server import SimulatorServer
from tests.processes import environment, running, stop

BURST: Final = 20
BURSTS: Final = 3
LOOK_EVERY_S: Final = 0.5
CONFIGURATION: Final = """
[[schedules]]
name = "schedule {number}"
every = "{every}"
match_tags = [["critical"]]
overlap = "allow"
"""


def main() -> int:
    """Print what was seen; 0 when the 95 % quantile of the drift is within a second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=10_000)
    schedules = parser.parse_args().schedules
    with tempfile.TemporaryDirectory(prefix="recorder-bench-") as name, SimulatorServer(speed=60.0) as checkly:
        folder = Path(name)
        text = "".join(
            CONFIGURATION.format(number=number, every="20s" if number < BURST else "1d") for number in range(schedules)
        )
        (folder / "recorder.toml").write_text(text)
        engine = db.open_engine(f"sqlite:///{folder / 'history.db'}")
        started_at = utc_now()
        with running("run", folder=folder, environ=environment(checkly)) as daemon:
            look = threading.Event()
            while len(fires := triggered(engine)) < BURST * (BURSTS + 1) and daemon.poll() is None:
                look.wait(LOOK_EVERY_S)
            stop(daemon)
        engine.dispose()
    drifts = [(intent_at - due_at).total_seconds() for due_at, intent_at in sorted(fires)[BURST:]]
    first_s = (min(intent_at for _, intent_at in fires) - started_at).total_seconds()
    p95 = quantiles(drifts, n=20)[-1]
    print(f"{schedules} schedules: first trigger {first_s:.1f} s after the start")
    print(f"{len(drifts)} triggers in bursts of {BURST}: drift median {median(drifts):.2f} s, 95 % within {p95:.2f} s")
    return 0 if p95 <= 1 else 1


def triggered(engine: Engine) -> list[tuple[datetime, datetime]]:
    """When each sent fire was due and when its intent was written; nothing while the tables are still being made."""
    try:
        with engine.connect() as connection:
            found = connection.execute(select(Fire.scheduled_for, Fire.intent_at).where(Fire.state == "triggered"))
            return [(due_at, intent_at) for due_at, intent_at in found if intent_at is not None]
    except OperationalError:
        return []


if __name__ == "__main__":
    sys.exit(main())
