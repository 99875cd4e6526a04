"""Verbs that talk to Checkly: run, trigger, record."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer

from recorder.cli_common import (
    AsJson,
    ConfigFile,
    Context,
    DatabaseUrl,
    LogJson,
    LogLevel,
    set_up_logs,
    spare_modules_the_collector,
    uuid_of,
)
from recorder.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recorder.config import Settings
    from recorder.materialising import Follow, PlannedSchedule
    from recorder.targets import Target
    from recorder.trigger_outcomes import Sent
    from recorder.wiring import Parts

INTERRUPTED: Final = 130

USUAL_TIMEOUT: Final = "60m"

Timeout = Annotated[
    str, typer.Option("--timeout", metavar="TIME", help="How long sessions are followed: 90s, 10m, 1h.")
]
TriggerTimeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="TIME",
        help=f"How long sessions are followed: 90s, 10m, 1h; default: what the schedule says, or {USUAL_TIMEOUT}.",
    ),
]
Fail = Annotated[bool, typer.Option("--fail", help="Exit 1 unless every session passed, and at least one.")]


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
    from recorder.signals import leave_on_signals, reload_on_signal, stop_on_signals

    if not once:
        leave_on_signals()
    from recorder import wiring
    from recorder.cli_delivery import check_addresses, delivery_of
    from recorder.config import warnings_for
    from recorder.daemon import Daemon
    from recorder.screen import say

    spare_modules_the_collector()
    set_up_logs("error" if once else log_level, as_json=log_json)
    context = Context(config, database)
    settings = context.settings
    access = wiring.checkly_access(settings)
    if once and not settings.schedules:
        raise UsageError("there is no schedule to run once: write one into recorder.toml (recorder init)")
    if not once:
        check_addresses(settings)
    for warning in warnings_for(settings):
        say(f"warning: {warning}")
    budget = wiring.request_budget(settings)
    unknown = wiring.verify_access(access, budget)
    if unknown is not None and not once:  # a single run says so itself in a moment
        say(f"warning: the key is not verified yet, {unknown}")
    parts = wiring.build(settings, context.engine, budget=budget)
    stop_on_signals(parts.stop)
    if once:
        _run_once(parts, fail=fail)
        return
    daemon = Daemon(
        parts,
        deliver_reports=delivery_of(parts),
        reload=lambda: Context(config, database).settings,
    )
    reload_on_signal(daemon.ask_to_reload)
    daemon.run()


def trigger(
    schedule: Annotated[
        str | None, typer.Argument(metavar="[SCHEDULE]", help="A schedule of the configuration, triggered now.")
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tags", metavar="TAGS", help="a,b = a and b; repeat for or; !a = without a.")
    ] = None,
    check_id: Annotated[
        list[str] | None, typer.Option("--check-id", metavar="ID", help="A check's id; may be repeated.")
    ] = None,
    run_everything: Annotated[
        bool, typer.Option("--run-everything", help="Every check of the account, with its alerts and its bill.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the request, send nothing, write nothing.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave once triggered; a daemon follows the sessions.")
    ] = False,
    timeout: TriggerTimeout = None,
    fail: Fail = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Trigger a schedule, tags or checks now, and follow the sessions to their end."""
    from recorder import foreground, wiring
    from recorder.screen import print_json, say
    from recorder.signals import stop_on_signals

    set_up_logs("error", as_json=False)
    context = Context(config, database)
    plan = _plan(context.settings, schedule)
    follow_for = _follow_for(timeout, plan)
    target = _target(plan, tags or [], check_id or [], run_everything=run_everything)
    if target.match_tags and target.check_ids:
        say("warning: Checkly does not document how tags and check ids combine; both are sent as they stand")
    if dry_run:
        print_json({"method": "POST", "url": _trigger_url(context.settings), "body": _body(target)})
        return
    budget = wiring.request_budget(context.settings)
    wiring.verify_access(wiring.checkly_access(context.settings), budget)
    parts = wiring.build(context.settings, context.engine, budget=budget)
    stop_on_signals(parts.stop)
    sent = foreground.trigger(parts, target, schedule=schedule, follow_for=follow_for)
    if sent.error is None:
        _say_sent(schedule or "trigger", sent, expected=plan.expect_locations if plan else ())
    if sent.sessions and not detach:
        _follow(parts, sent.sessions)
    extra = {"fire_id": sent.fire_pk, "state": sent.state, "reason": sent.reason}
    found = _print_sessions(parts, sent.sessions, as_json=as_json, extra=extra)
    if sent.error is not None:
        raise sent.error
    _leave(parts, found, fail=fail, awaited=not detach)


def record(
    session_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Check session ids.")],
    timeout: Timeout = USUAL_TIMEOUT,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for sessions that still run.")] = False,
    fail: Fail = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Record check sessions that were started elsewhere, following those that still run."""
    from recorder import foreground, wiring
    from recorder.screen import counted, say
    from recorder.signals import stop_on_signals

    set_up_logs("error", as_json=False)
    ids = [uuid_of(text, "a check session id") for text in session_ids]
    context = Context(config, database)
    follow_for = _duration(timeout)
    budget = wiring.request_budget(context.settings)
    wiring.verify_access(wiring.checkly_access(context.settings), budget)
    parts = wiring.build(context.settings, context.engine, budget=budget)
    stop_on_signals(parts.stop)
    recorded, failed = foreground.record(parts, ids, timeout=follow_for)
    for session_id, error in failed.items():
        say(f"{session_id}: {error}")
    had = tuple(snapshot.check_session_id for snapshot in recorded)
    refused = parts.read_circuit.refusal is not None
    unasked = [one for one in ids if refused and one not in {*had, *failed}]
    if unasked:
        say(f"{counted(len(unasked), 'session')} not asked for: Checkly would refuse each")
    if had and not (detach or refused):
        _follow(parts, had)
    found = _print_sessions(parts, had, as_json=as_json, extra={"failed": [*failed, *unasked]})
    if failed:
        raise typer.Exit(next(iter(failed.values())).exit_code)
    _leave(parts, found, fail=fail, awaited=not detach)


def _run_once(parts: "Parts", *, fail: bool) -> None:
    """Trigger every schedule, follow what is open, print the sessions of this run."""
    from recorder import foreground
    from recorder.screen import progress, say

    sent: list[Sent] = []
    plans = parts.plans()

    def on_sent(name: str, one: "Sent") -> None:
        if one.error is None:
            _say_sent(name, one, expected=plans[name].expect_locations)
        else:
            say(f"recorder: {name}: {one.error}")
        sent.append(one)

    with progress("following", None):
        foreground.run_once(parts, on_sent=on_sent, on_seen=lambda _: None)
    sessions = tuple(session for one in sent for session in one.sessions)
    found = _print_sessions(parts, sessions, as_json=False, extra={})
    if errors := [one.error for one in sent if one.error is not None]:
        raise typer.Exit(errors[0].exit_code)
    _leave(parts, found, fail=fail, awaited=True)


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


def _say_sent(name: str, sent: "Sent", *, expected: tuple[str, ...]) -> None:
    """What became of a trigger, and a warning when it did not run where it should: a trigger cannot choose."""
    from recorder.screen import counted, say

    what = {"triggered": counted(len(sent.sessions), "session"), "no_match": "no check matches"}.get(
        sent.state, sent.reason or ""
    )
    say(f"{name}: {sent.state}{f', {what}' if what else ''}")
    if absent := sent.absent_locations(expected):
        say(f"warning: {name}: not every session runs in {', '.join(absent)}, which expect_locations names")


def _print_sessions(
    parts: "Parts", session_ids: tuple[UUID, ...], *, as_json: bool, extra: dict[str, Any]
) -> list[dict[str, Any]]:
    """Print what is recorded of these sessions; the rows, each with its results."""
    from recorder.inspecting import find_session
    from recorder.screen import print_json, print_table

    found = [row for session_id in session_ids if (row := find_session(parts.engine, session_id))]
    if as_json:
        print_json(extra | {"sessions": found})
    elif found:
        columns = ("check_name", "status", "time_elapsed_ms", "run_locations", "check_session_id")
        print_table(columns, [[row[column] for column in columns] for row in found])
    return found


def _leave(parts: "Parts", found: list[dict[str, Any]], *, fail: bool, awaited: bool) -> None:
    """Say what has no end yet; exit 130 when a signal cut the wait short, 1 if asked to and not all passed."""
    from recorder.screen import say

    if awaited:
        for line in sentences_on_missing_ends(found):
            say(line)
    if parts.stop.is_set():
        raise typer.Exit(INTERRUPTED)
    if fail and awaited and not (found and all(row["outcome"] in {"PASS", "DEGRADED"} for row in found)):
        raise typer.Exit(1)


def sentences_on_missing_ends(found: list[dict[str, Any]]) -> "Iterator[str]":
    """A sentence for each way of having no end: still running, given up for its time, unknown to Checkly."""
    ways = {
        None: "have no end yet; a daemon follows them to it, and so does: recorder record {}",
        "timeout": "outlast their time; a daemon asks hourly for one more day, and at once: recorder record {}",
        "gone": "are gone: Checkly does not know them any more, and nobody asks again; the first is {}",
    }
    for reason, way in ways.items():
        ids = [one["check_session_id"] for one in found if not one["final_at"] and one["abandoned_reason"] == reason]
        if ids:
            yield f"{len(ids)} of {len(found)} sessions {way.format(ids[0])}{' ...' * (len(ids) > 1)}"


def _plan(settings: "Settings", schedule: str | None) -> "PlannedSchedule | None":
    """The schedule of this name; None when none is named."""
    from recorder.wiring import planned

    if schedule is None:
        return None
    known = {one.name: one for one in settings.schedules}
    if schedule not in known:
        raise UsageError(f'there is no schedule "{schedule}": the configuration has {", ".join(known) or "none"}')
    return planned(known[schedule])


def _follow_for(timeout: str | None, plan: "PlannedSchedule | None") -> "Follow":
    from recorder.materialising import Follow

    if plan is not None and timeout is None:
        return plan.follow
    return Follow(_duration(timeout or USUAL_TIMEOUT), cancel=plan is not None and plan.follow.cancel)


def _target(plan: "PlannedSchedule | None", tags: list[str], check_ids: list[str], *, run_everything: bool) -> "Target":
    from recorder.targets import Target

    if plan is not None:
        if tags or check_ids or run_everything:
            raise UsageError("name either a schedule or --tags / --check-id, not both")
        return plan.target
    if not (tags or check_ids or run_everything):
        raise UsageError("nothing to trigger: name a schedule, --tags or --check-id")
    groups = tuple(tuple(tag.strip() for tag in group.split(",")) for group in tags)
    target = Target(groups, tuple(uuid_of(text, "a check id") for text in check_ids), run_everything)
    try:
        target.request_body()
    except ConfigError as error:
        raise UsageError("; ".join(problem.text for problem in error.problems)) from None
    return target


def _trigger_url(settings: "Settings") -> str:
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
