"""A recorder leaves when it is told to, with 0, whatever it waits for."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

from recorder import db
from recorder.clock import monotonic
from recorder.simulator.server import SimulatorServer
from tests.processes import PATIENCE_S, environment, running, stop, wait_until

LOCK_TIMEOUT_S = 10.0
"""How long a unit of work waits for a lock before it is tried again."""
CONFIGURATION = '[reports]\nweekly = "* * * * *"\n'
STUCK_REPORT = """
import os, threading
from pathlib import Path
from recorder import db, logs, wiring
from recorder.config import load_settings
from recorder.daemon import Daemon
logs.set_up("info", as_json=False)
settings = load_settings(None, environ=dict(os.environ), cwd=Path.cwd())
engine = db.open_engine(settings.database.url)
db.upgrade(engine)
parts = wiring.build(settings, engine)
def deliver_reports(_settings):
    parts.stop.set()
    threading.Event().wait()
daemon = Daemon(parts, deliver_reports=deliver_reports, stop_within_s=1.0)
daemon.run()
"""


def test_a_start_that_waits_for_checkly_ends_with_0_and_one_line_and_outlives_a_sighup(
    tmp_path: Path,
) -> None:
    """Systemd may stop or reload a service at any moment."""
    (tmp_path / "recorder.toml").write_text('[[schedules]]\nname = "a"\nevery = "1h"\nmatch_tags = [["critical"]]\n')
    with SimulatorServer() as checkly, socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_S)
        environ = environment(checkly) | {"CHECKLY_API_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with running("run", folder=tmp_path, environ=environ) as daemon:
            connection, _ = silent.accept()
            with connection:
                daemon.send_signal(signal.SIGHUP)

                assert stop(daemon) == 0

    assert (tmp_path / "stderr.txt").read_text() == "recorder: told to stop before anything was started\n"


def test_a_report_that_does_not_end_keeps_no_process_from_leaving(tmp_path: Path) -> None:
    """The interpreter waits for the threads of a pool without end, so the last resort must cover them."""
    (tmp_path / "recorder.toml").write_text(CONFIGURATION)
    with SimulatorServer() as checkly:
        ended = subprocess.run(
            [sys.executable, "-c", STUCK_REPORT],
            cwd=tmp_path,
            env=environment(checkly),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    assert ended.returncode == 0, ended.stderr
    assert "something is still under way" in ended.stderr


LOCKED_OUT = """
import os
from pathlib import Path
from recorder import db, logs, wiring
from recorder.config import load_settings
from recorder.daemon import Daemon
from recorder.signals import stop_on_signals
logs.set_up("info", as_json=False)
settings = load_settings(None, environ=dict(os.environ), cwd=Path.cwd())
parts = wiring.build(settings, db.open_engine(settings.database.url))
stop_on_signals(parts.stop)
print("starting", flush=True)
Daemon(parts, stop_within_s=1.0).run()
"""


def test_a_start_that_waits_for_a_locked_table_ends_with_0(tmp_path: Path, new_postgresql: str) -> None:
    """Somebody's migration, or a backup, holds the schedules; the stop is not held up by it."""
    engine = db.open_engine(new_postgresql)
    db.upgrade(engine)
    (tmp_path / "recorder.toml").write_text(f'[database]\nurl = "{new_postgresql}"\nspool = "{tmp_path / "spool"}"\n')
    with SimulatorServer() as checkly, engine.connect() as other:
        other.exec_driver_sql("LOCK TABLE schedules IN ACCESS EXCLUSIVE MODE")
        with subprocess.Popen(
            [sys.executable, "-c", LOCKED_OUT], cwd=tmp_path, env=environment(checkly), stdout=subprocess.PIPE
        ) as daemon:
            assert daemon.stdout is not None
            assert daemon.stdout.readline() == b"starting\n"
            waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
            wait_until(lambda: other.exec_driver_sql(waiting).scalar_one() > 0, "the daemon to wait for the lock")
            began = monotonic()

            assert stop(daemon) == 0
            assert monotonic() - began < LOCK_TIMEOUT_S
    engine.dispose()
