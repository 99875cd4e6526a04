"""Verbs that talk to Checkly: run, trigger, record."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from recorder.cli_common import AsJson, ConfigFile, Context, DatabaseUrl, LogJson, LogLevel, set_up_logs
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.config import Settings
    from recorder.targets import Target
    from recorder.triggering import Sent
    from recorder.wiring import Parts

Timeout = Annotated[str, typer.Option("--timeout", help="How long sessions are followed: 90s, 10m, 1h.")]
Fail = Annotated[bool, typer.Option("--fail", help="Exit 1 when a session did not pass.")]


def add_to(app: typer.Typer) -> None:
    """Register these verbs."""
    app.command("run")(run)
    app.command("trigger")(trigger)
    app.command("record")(record)


def run(
    once: Annotated[bool, typer.Option("--once", help="Trigger each schedule once, follow to the end, leave.")] = False,
    fail: Fail = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Trigger the schedules on their cadence and follow every session to its end, until told to stop."""
    from recorder import wiring
    from recorder.config import warnings_for
    from recorder.daemon import Daemon, reload_on_signal, stop_on_signals
    from recorder.screen import say

    set_up_logs("warning" if once else log_level, as_json=log_json)
    context = Context(config, database)
    settings = context.settings
    wiring.checkly_access(settings)
    if once and not settings.schedules:
        raise UsageError("there is no schedule to run once: write one into recorder.toml (recorder init)")
    for warning in warnings_for(settings):
        say(f"warning: {warning}")
    parts = wiring.build(settings, context.engine)
    stop_on_signals(parts.stop)
    if once:
        _run_once(parts, fail=fail)
        return
    daemon = Daemon(
        parts,
        write_report=lambda current: _write_weekly(parts, current),
        reload=lambda: Context(config, database).settings,
    )
    reload_on_signal(daemon)
    daemon.run()


def trigger(
    schedule: Annotated[str | None, typer.Argument(help="A schedule of the configuration, triggered now.")] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tags", help="a,b = a and b; repeat for or; !a = without a.")
    ] = None,
    check_id: Annotated[list[str] | None, typer.Option("--check-id", help="A check's id; may be repeated.")] = None,
    run_everything: Annotated[
        bool, typer.Option("--run-everything", help="Every check of the account, with its alerts and its bill.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the request, send nothing, write nothing.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave once triggered; a daemon follows the sessions.")
    ] = False,
    timeout: Timeout = "60m",
    fail: Fail = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Trigger a schedule, tags or checks now, and follow the sessions to their end."""
    from recorder import foreground, wiring
    from recorder.daemon import stop_on_signals
    from recorder.screen import print_json, say

    set_up_logs("error", as_json=False)
    context = Context(config, database)
    follow_for = _duration(timeout)
    target = _target(context.settings, schedule, tags or [], check_id or [], run_everything=run_everything)
    if target.match_tags and target.check_ids:
        say("warning: Checkly does not document how tags and check ids combine; both are sent as they stand")
    if dry_run:
        print_json({"method": "POST", "path": _trigger_path(context.settings), "body": _body(target)})
        return
    parts = wiring.build(context.settings, context.engine)
    stop_on_signals(parts.stop)
    sent = foreground.trigger(parts, target, schedule=schedule, timeout=follow_for)
    _report_sent(schedule or "trigger", sent)
    if sent.error is not None:
        raise sent.error
    if sent.sessions and not detach:
        _follow(parts, sent.sessions)
    _finish(
        parts,
        sent.sessions,
        fail=fail and not detach,
        as_json=as_json,
        extra={"fire": sent.fire_pk, "state": sent.state},
    )


def record(
    session_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Check session ids.")],
    timeout: Timeout = "60m",
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for sessions that still run.")] = False,
    fail: Fail = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Record check sessions that were started elsewhere, following those that still run."""
    from recorder import foreground, wiring
    from recorder.daemon import stop_on_signals
    from recorder.screen import say

    set_up_logs("error", as_json=False)
    ids = [_uuid(text, "a check session id") for text in session_ids]
    context = Context(config, database)
    follow_for = _duration(timeout)
    wiring.checkly_access(context.settings)
    parts = wiring.build(context.settings, context.engine)
    stop_on_signals(parts.stop)
    recorded, failed = foreground.record(parts, ids, timeout=follow_for)
    for session_id, error in failed.items():
        say(f"{session_id}: {error}")
    open_ids = tuple(snapshot.check_session_id for snapshot in recorded if not snapshot.is_final)
    if open_ids and not detach:
        _follow(parts, open_ids)
    _finish(
        parts, tuple(s.check_session_id for s in recorded), fail=fail, as_json=as_json, extra={"failed": len(failed)}
    )
    if failed:
        raise typer.Exit(next(iter(failed.values())).exit_code)


def _run_once(parts: "Parts", *, fail: bool) -> None:
    from recorder import foreground

    sent: list[Sent] = []

    def on_sent(name: str, one: "Sent") -> None:
        _report_sent(name, one)
        sent.append(one)

    foreground.run_once(parts, on_sent=on_sent, on_seen=lambda _: None)
    sessions = tuple(session for one in sent for session in one.sessions)
    _finish(parts, sessions, fail=fail, as_json=False, extra={})
    errors = [one.error for one in sent if one.error is not None]
    if errors:
        raise errors[0]


def _write_weekly(parts: "Parts", settings: "Settings") -> None:
    """The daemon's weekly report; a failure is said and does not stop the recording."""
    import structlog

    from recorder.cli_report import write_weekly
    from recorder.errors import RecorderError

    log = structlog.get_logger("recorder.reports")
    try:
        files = write_weekly(parts.engine, settings)
        log.info("weekly report written", folder=str(files[0].parent))
    except RecorderError as error:
        log.error("the weekly report could not be written", error=str(error))  # noqa: TRY400 - one line


def _follow(parts: "Parts", sessions: tuple[UUID, ...]) -> None:
    """Follow with a progress bar, one step for each session that has ended."""
    from recorder import foreground
    from recorder.db import transact
    from recorder.open_sessions import awaited_count
    from recorder.screen import progress

    with progress("following", len(sessions)) as bar:

        def on_seen(_: object) -> None:
            waiting = transact(parts.engine, lambda db: awaited_count(db, scope=sessions))
            bar.update(bar.task_ids[0], completed=len(sessions) - waiting)

        foreground.follow(parts, scope=sessions, on_seen=on_seen)


def _report_sent(name: str, sent: "Sent") -> None:
    from recorder.screen import say

    what = {"triggered": f"{len(sent.sessions)} sessions", "no_match": "no check matches"}.get(
        sent.state, sent.reason or ""
    )
    say(f"{name}: {sent.state}{f', {what}' if what else ''}")


def _finish(parts: "Parts", sessions: tuple[UUID, ...], *, fail: bool, as_json: bool, extra: dict[str, Any]) -> None:
    """Print what was recorded; exit 1 if asked to and a session did not pass."""
    from recorder.inspecting import find_session
    from recorder.screen import print_json, print_table

    found = [row for session in sessions if (row := find_session(parts.engine, session))]
    if as_json:
        print_json(extra | {"sessions": found})
    elif found:
        columns = ("check_name", "status", "time_elapsed_ms", "run_locations", "check_session_id")
        print_table(columns, [[row[column] for column in columns] for row in found])
    if fail and any(row["outcome"] not in {"PASS", "DEGRADED"} for row in found):
        raise typer.Exit(1)


def _target(
    settings: "Settings", schedule: str | None, tags: list[str], check_ids: list[str], *, run_everything: bool
) -> "Target":
    from recorder.targets import Target
    from recorder.wiring import planned

    if schedule is None:
        groups = tuple(tuple(tag.strip() for tag in group.split(",")) for group in tags)
        target = Target(groups, tuple(_uuid(text, "a check id") for text in check_ids), run_everything)
        if not (groups or check_ids or run_everything):
            raise UsageError("nothing to trigger: name a schedule, --tags or --check-id")
        target.request_body()
        return target
    if tags or check_ids or run_everything:
        raise UsageError("name either a schedule or --tags / --check-id, not both")
    known = {one.name: one for one in settings.schedules}
    if schedule not in known:
        raise UsageError(f'there is no schedule "{schedule}": the configuration has {", ".join(known) or "none"}')
    return planned(known[schedule]).target


def _trigger_path(settings: "Settings") -> str:
    return f"{settings.checkly.base_url.rstrip('/')}/{settings.checkly.api_version}/check-sessions/trigger"


def _body(target: "Target") -> object:
    import json

    return json.loads(target.request_body())


def _duration(text: str) -> timedelta:
    from recorder.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from None


def _uuid(text: str, what: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UsageError(f'"{text}" is not {what}: copy the UUID from Checkly') from None
