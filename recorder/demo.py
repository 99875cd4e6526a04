"""Use case: the whole job in under a minute, against a simulated Checkly, with nothing left running."""

import json
import os
import shlex
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from recorder import db, wiring
from recorder.clock import utc_now
from recorder.config import Settings, load_settings
from recorder.daemon import Daemon
from recorder.errors import UsageError
from recorder.foreground import follow
from recorder.inspecting import query
from recorder.payloads import parse_session
from recorder.screen import counted, print_table, progress, say
from recorder.simulator.history import past_sessions
from recorder.simulator.server import SimulatorServer
from recorder.store import Recording, Written, record_sessions

FOLDER: Final = "recorder-demo"
WEEKS: Final = 9
"""So that each of the eight weeks up to last Sunday is whole."""
SPEED: Final = 60.0
BATCH: Final = 500
LAST_ANSWERS_S: Final = 5.0
LOOK_EVERY_S: Final = 0.5
T = TypeVar("T")

CONFIG: Final = """\
# The demo's configuration: a simulated account, so everything happens in seconds instead of minutes.
[database]
url = {database}

[reports]
timezone = "UTC"
directory = {reports}

[[schedules]]
name = "production"
every = "4s"
match_tags = [["production", "!skip-e2e"]]
overlap = "allow"

[[schedules]]
name = "staging"
every = "6s"
match_tags = [["staging"]]
"""

QUESTIONS: Final = (
    (
        "Which locations fail most, day by day?",
        (
            "SELECT run_day, run_location, SUM(failed) AS failed, SUM(n) AS n FROM daily_pass_rate "
            "GROUP BY run_day, run_location ORDER BY failed DESC LIMIT 5"
        ),
    ),
    (
        "Which check is flaky, and where?",
        (
            "SELECT check_name, run_location, n, flake_events, ROUND(flake_rate, 4) AS flake_rate FROM flakiness "
            "ORDER BY flake_rate DESC LIMIT 5"
        ),
    ),
    (
        "What has just been recorded live?",
        (
            "SELECT started_at, check_name, status, time_elapsed_ms FROM session_history WHERE origin = 'schedule' "
            "ORDER BY started_at DESC LIMIT 5"
        ),
    ),
)


def run_demo(
    folder: Path | None, *, seconds: float, seed: int, write_report: Callable[[Engine, Settings], list[Path]]
) -> None:
    """Fill a folder with a history, record live sessions for `seconds`, write last week's report, say what to do next.

    `folder` None takes the first free one of recorder-demo, recorder-demo-2, ... Raises UsageError when the folder
    holds something already: nobody's history is overwritten.
    """
    config = _prepare(folder or _free_folder())
    try:
        _show(config, seconds=seconds, seed=seed, write_report=write_report)
    except KeyboardInterrupt:
        say(f"stopped; {config.parent} holds what was recorded so far")
        raise


def _show(config: Path, *, seconds: float, seed: int, write_report: Callable[[Engine, Settings], list[Path]]) -> None:
    """The four steps, then what to do next."""
    with SimulatorServer(seed=seed, speed=SPEED) as checkly:
        environ = {
            "CHECKLY_API_KEY": "demo-key",
            "CHECKLY_ACCOUNT_ID": checkly.account_id,
            "CHECKLY_API_URL": checkly.base_url,
        }
        settings = load_settings(config, environ=environ, cwd=Path.cwd())
        engine = db.open_engine(settings.database.url)
        db.upgrade(engine)
        say(f"1. A simulated Checkly runs at {checkly.base_url}")
        past = _record_past(engine, checkly)
        say(f"2. Recorded {WEEKS} weeks of its past: {past.sessions} sessions, {past.results} results")
        fires, sessions = _record_live(settings, engine, seconds)
        live = f"{counted(fires, 'time')} and recorded {counted(sessions, 'live session')}"
        say(f"3. The daemon triggered {live} in {seconds:g} seconds")
    page, *_ = write_report(engine, settings)
    say(f"4. Last week's report: {page}")
    _say_goodbye(config, page, engine)
    engine.dispose()


def _free_folder() -> Path:
    numbered = (Path(FOLDER if number == 1 else f"{FOLDER}-{number}") for number in count(1))
    return next(folder for folder in numbered if not os.path.lexists(folder))


def _prepare(folder: Path) -> Path:
    """Make the folder and write the demo's configuration into it."""
    config = folder / "recorder.toml"
    text = CONFIG.format(
        database=json.dumps(URL.create("sqlite", database=str(folder.absolute() / "history.db")).render_as_string()),
        reports=json.dumps(str(folder.absolute() / "reports")),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: name a new folder with --dir, nothing is overwritten")
        config.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror}; name another folder with --dir") from error
    return config


def _record_past(engine: Engine, checkly: SimulatorServer) -> Written:
    """Weeks of the simulator's payloads, imported through the same parser and writer as live ones."""
    end = utc_now() - timedelta(minutes=10)
    start = end - timedelta(weeks=WEEKS)
    written = Written()
    with progress("recording the past", WEEKS * 7 * 24) as bar:
        for payloads in _batches(past_sessions(checkly.world, start=start, end=end)):
            snapshots = [parse_session(payload) for payload in payloads]
            recordings = [Recording(snapshot, "import", closes=True) for snapshot in snapshots]
            written += db.transact(engine, partial(_write, recordings))
            bar.update(bar.task_ids[0], completed=(snapshots[-1].started_at - start) / timedelta(hours=1))
    return written


def _record_live(settings: Settings, engine: Engine, seconds: float) -> tuple[int, int]:
    """Let the real daemon work for a while; how many fires were triggered and sessions recorded."""
    parts = wiring.build(settings, engine)
    with ThreadPoolExecutor(1, "daemon") as thread, progress("recording live sessions", seconds) as bar:
        try:
            running = thread.submit(Daemon(parts).run)  # inside: a Ctrl-C from here on must stop it
            for tick in range(int(seconds / LOOK_EVERY_S)):
                if running.done() or parts.stop.wait(LOOK_EVERY_S):
                    break
                _, [(sessions, final)] = query(engine, _COUNT_LIVE)
                bar.update(
                    bar.task_ids[0],
                    completed=(tick + 1) * LOOK_EVERY_S,
                    description=f"recording live sessions: {sessions} started, {final} finished",
                )
        finally:
            parts.stop.set()
        running.result()
    _await_last(settings, engine)
    _, [(fires,)] = query(engine, "SELECT COUNT(*) FROM fire_history WHERE state = 'triggered'")
    _, [(_, final)] = query(engine, _COUNT_LIVE)
    return fires, final


_COUNT_LIVE: Final = "SELECT COUNT(*), COUNT(final_at) FROM session_history WHERE origin = 'schedule'"


def _await_last(settings: Settings, engine: Engine) -> None:
    """Sessions that were triggered in the last seconds get a moment to end."""
    give_up = threading.Event()
    timer = threading.Timer(LAST_ANSWERS_S, give_up.set)
    timer.start()
    try:
        follow(wiring.build(settings, engine), scope=None, give_up=give_up)
    finally:
        timer.cancel()


def _say_goodbye(config: Path, page: Path, engine: Engine) -> None:
    say("\nThree questions to ask the history (docs/sql.md has more):")
    for question, sql in QUESTIONS:
        say(f'\n{question}\n  recorder query --config {shlex.quote(str(config))} "{sql}"')
        columns, rows = query(engine, sql)
        print_table(columns, rows)
    say(
        "\nWith a real account:\n"
        "  recorder init                 # writes a commented recorder.toml\n"
        "  export CHECKLY_API_KEY=... CHECKLY_ACCOUNT_ID=...\n"
        "  recorder check-config && recorder run\n"
    )
    say(f"Open the report: {page.absolute().as_uri()}")


def _write(recordings: list[Recording], session: Session) -> Written:
    return record_sessions(session, recordings, now=utc_now())


def _batches(items: Iterator[T]) -> Iterator[list[T]]:
    while batch := list(islice(items, BATCH)):
        yield batch
