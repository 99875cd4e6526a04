"""The verb backfill: what Checkly still keeps of runs that nobody recorded."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from recorder.cli_common import AsJson, ConfigFile, Context, DatabaseUrl, set_up_logs, uuid_of
from recorder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recorder.backfilling import Backfilled
    from recorder.wiring import Parts

INTERRUPTED: Final = 130
USUAL_DAYS: Final = 7
MOST_DAYS: Final = 180
"""No plan of Checkly's keeps results for longer."""
SHARE: Final = 0.5
"""The part of each budget that this process keeps to: a daemon beside it knows nothing of it."""


def add_to(app: typer.Typer) -> None:
    """Register this verb."""
    app.command("backfill")(backfill)


def backfill(
    check: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="ID", help="A check's id; may be repeated. Otherwise every recorded check."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=MOST_DAYS, help=f"The days before now; {USUAL_DAYS} when nothing is said."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="ISO date or time; without an offset in the reports' zone."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="The same, exclusive; otherwise now. Only with --from.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Fetch the check results that Checkly still keeps, and store those that belong to no recorded session.

    Nothing is triggered, and what is recorded is left as it is. The sessions put together from results are seen in SQL
    (origin backfill) and count in no rate. Doing it again changes nothing; after Ctrl-C the same command goes on.

    It shares no budget with a daemon that runs beside it, so it asks 27 times a minute for results, half of what one
    process may. What cannot be read is said, the rest goes on, and the exit code is then 1.
    """
    from recorder import wiring
    from recorder.screen import print_json, say
    from recorder.signals import stop_on_signals

    set_up_logs("error", as_json=False)
    named = [uuid_of(text, "a check id") for text in check or []]
    context = Context(config, database)
    wiring.checkly_access(context.settings)
    engine = context.engine if named else context.existing_engine
    parts = wiring.build(context.settings, engine, share=SHARE)
    window = _window(days, start, end, timezone=context.settings.reports.timezone, now=parts.now())
    stop_on_signals(parts.stop)
    checks = list(dict.fromkeys(named)) or _recorded_checks(parts)
    done, failed = _backfill(parts, checks, window)
    if as_json:
        print_json(_summary(done, failed, checks, window, stopped=parts.stop.is_set()))
    else:
        _say_done(done, len(checks))
    if parts.stop.is_set():
        say("stopped; what was stored stays, and the same command goes on")
        raise typer.Exit(INTERRUPTED)
    if failed or done.malformed or done.refused:
        raise typer.Exit(1)


def _window(
    days: int | None, start: str | None, end: str | None, *, timezone: str, now: datetime
) -> tuple[datetime, datetime]:
    """The window [start, end), no later than now. Raises UsageError."""
    from reports.windows import range_window

    if start is None:
        if end is not None:
            raise UsageError("--to needs --from; or name the days before now with --days")
        return now - timedelta(days=days or USUAL_DAYS), now
    if days is not None:
        raise UsageError("--days and --from say the same in two ways: give one of them")
    asked = range_window(start, end or now.isoformat(), timezone=timezone)
    if asked.start >= now:
        raise UsageError(f"--from {start} lies in the future")
    if now - asked.start > timedelta(days=MOST_DAYS + 1):
        raise UsageError(f"--from {start} is too long ago: Checkly keeps results for {MOST_DAYS} days at most")
    return asked.start.astimezone(UTC), min(asked.end, now)


def _recorded_checks(parts: "Parts") -> list[UUID]:
    from recorder.db import transact
    from recorder.exclusions import load_known_checks

    known = transact(parts.engine, load_known_checks)
    if not known:
        raise UsageError("no check is recorded yet: name one with --check ID")
    return [one.check_id for one in known]


def _backfill(
    parts: "Parts", checks: "Sequence[UUID]", window: tuple[datetime, datetime]
) -> "tuple[Backfilled, list[UUID]]":
    """One check after the other, with a line for each; the checks that Checkly could not tell about."""
    from recorder.backfilling import Backfilled, backfill_check, slices_of
    from recorder.errors import BadAnswer, NoSuchThing
    from recorder.screen import progress, say

    start, end = window
    done, failed = Backfilled(), list[UUID]()
    with progress("backfilling", len(checks) * len(slices_of(start, end))) as bar:
        for number, check_id in enumerate(checks, 1):
            if parts.stop.is_set():
                break
            try:
                one = backfill_check(
                    parts,
                    check_id,
                    start=start,
                    end=end,
                    on_trouble=say,
                    on_slice=lambda: bar.advance(bar.task_ids[0]),
                )
            except (BadAnswer, NoSuchThing) as error:
                say(f"check {check_id}: {error}")
                failed.append(check_id)
                continue
            done += one
            say(f"{number}/{len(checks)} check {check_id}: {_sentence(one)}")
    return done, failed


def _sentence(done: "Backfilled") -> str:
    from recorder.screen import counted

    new = f"{counted(done.written.results, 'new one')} in {counted(done.written.sessions, 'session')}"
    left = f", {done.unsettled} left for later" if done.unsettled else ""
    return f"{counted(done.results, 'result')} at Checkly, {done.known} recorded before, {new}{left}"


def _say_done(done: "Backfilled", checks: int) -> None:
    from recorder.screen import counted, say

    say(f"{counted(checks, 'check')}: {_sentence(done)}; {done.malformed} unreadable, {done.refused} refused")
    if done.unsettled:
        say("left for later: runs of the last half hour, and those of sessions that are still followed")


def _summary(
    done: "Backfilled",
    failed: "Sequence[UUID]",
    checks: "Sequence[UUID]",
    window: tuple[datetime, datetime],
    *,
    stopped: bool,
) -> dict[str, object]:
    return {
        "from": window[0],
        "to": window[1],
        "checks": len(checks),
        "results": done.results,
        "known": done.known,
        "new_sessions": done.written.sessions,
        "new_results": done.written.results,
        "unsettled": done.unsettled,
        "unreadable": done.malformed,
        "refused": done.refused,
        "failed_checks": list(failed),
        "stopped": stopped,
    }
