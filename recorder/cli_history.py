"""Verbs on what is recorded: import, status, sessions, query, db."""

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import typer

from recorder.cli_common import AsJson, ConfigFile, Context, DatabaseUrl, spare_modules_the_collector, uuid_of
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.importing import Imported

SHOWN_IDS: Final = 3

sessions_app = typer.Typer(help="Look at recorded sessions.", no_args_is_help=True)
db_app = typer.Typer(help="The database's schema.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register these verbs."""
    app.command("import")(import_)
    app.command("status")(status)
    app.command("query")(query)
    app.add_typer(sessions_app, name="sessions")
    app.add_typer(db_app, name="db")


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines or an array of sessions; - reads stdin.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Import session payloads as the API returns them; a second import of the same file changes nothing.

    What cannot be read is said with its line, the rest goes on, and the exit code is then 1.
    """
    from recorder.clock import utc_now
    from recorder.importing import import_sessions
    from recorder.screen import print_json, progress, say

    spare_modules_the_collector()
    context, name = Context(config, database), "stdin" if file == "-" else file
    with _source(file) as source, progress("importing", os.fstat(source.fileno()).st_size or None) as bar:
        try:
            done = import_sessions(
                context.engine,
                source,
                now=utc_now,
                on_refused=lambda text: say(f"{name}: {text}"),
                on_progress=lambda at: bar.update(bar.task_ids[0], completed=at),
            )
        except KeyboardInterrupt:
            say(f"{name}: stopped; what was read is stored, and importing it again goes on")
            raise
    if as_json:
        print_json(
            {
                "read": done.read,
                "new_sessions": done.written.sessions,
                "new_results": done.written.results,
                "unfinished": done.unfinished,
                "refused": done.refused,
            }
        )
    else:
        _say_imported(name, done)
    if done.refused:
        raise typer.Exit(1)


def _source(file: str) -> IO[bytes]:
    """The bytes to import: a file, a pipe, or stdin."""
    if file == "-":
        return sys.stdin.buffer
    try:
        return Path(file).open("rb")
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise UsageError(f"{file} {reason}; name a file of session payloads, or - for stdin") from error


def _say_imported(name: str, done: "Imported") -> None:
    """The summary, and what to do about what is not whole."""
    from recorder.screen import counted, say

    new, results = done.written.sessions, counted(done.written.results, "new result")
    say(f"{name}: read {counted(done.read, 'session')}, {new} of them new; {results}; {done.refused} refused")
    if not done.read and not done.refused:
        say(f"{name}: there is no session in it")
    if done.unfinished:
        some = " ".join(str(session_id) for session_id in done.unfinished[:SHOWN_IDS])
        more = " ..." if len(done.unfinished) > SHOWN_IDS else ""
        say(f"{len(done.unfinished)} have no end yet and count in no rate; to fetch it: recorder record {some}{more}")


def status(config: ConfigFile = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Say what is recorded, what is open and what needs a person."""
    from recorder import surveying
    from recorder.clock import utc_now
    from recorder.screen import print_json, print_table
    from recorder.spool import spool_for

    context = Context(config, database)
    found = surveying.status(context.existing_engine, now=utc_now())
    found["spooled_answers"] = sum(
        1 for _ in spool_for(context.existing_engine, context.settings.database.spool).waiting()
    )
    if as_json:
        print_json(found)
        return
    health = found["health"]
    rows: list[tuple[str, Any]] = [("health", health["state"])]
    if health["why"]:
        rows += [("refused since", health["since"]), ("refused with", health["why"])]
    rows += [("note", note) for note in health["notes"]]
    if (ahead_s := found["checkly_clock"]["ahead_s"]) is not None:
        rows.append(("Checkly's clock", _beside_ours(ahead_s)))
    rows += [("database", found["database"]), ("schema", found["schema"])]
    rows += [(f"sessions {name.replace('_', ' ')}", value) for name, value in found["sessions"].items()]
    rows += [(f"sessions abandoned: {one['reason']}", one["sessions"]) for one in found["abandoned"]]
    rows += [
        (" ".join(filter(None, ("fires", fire["state"], fire["reason"]))), fire["fires"]) for fire in found["fires"]
    ]
    rows += [(f"schedule {one['schedule_name']} last due", one["last_due_at"]) for one in found["schedules"]]
    rows += [(f"unknown to the contract: {one['what']}", one["times"]) for one in found["contract_surprises"]]
    rows += [(f"unreadable {one['kind']}", one["pieces"]) for one in found["unreadable"]]
    if found["spooled_answers"]:
        rows.append(("answers waiting in the spool", found["spooled_answers"]))
    print_table(("what", "value"), rows)


def _beside_ours(ahead_s: float) -> str:
    """Where Checkly's clock is, in words; a second is what a request may take."""
    if abs(ahead_s) < 1:
        return "agrees with ours"
    return f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} ours"


def query(
    sql: Annotated[
        str, typer.Argument(metavar="SQL", help="One statement that only reads; docs/sql.md describes the views.")
    ],
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Run a SQL query of your own; the database refuses to write.

    Tables write times as SQL compares them, in UTC: 2026-11-18 11:00:00.000.
    """
    from recorder import inspecting
    from recorder.screen import print_json, print_table

    logging.getLogger("psycopg").setLevel(logging.ERROR)  # what it warns of is raised as well, and said in one line
    if not sql.strip():
        raise UsageError('the query is empty: try recorder query "SELECT * FROM session_history LIMIT 5"')
    columns, rows = inspecting.query(Context(config, database).existing_engine, sql)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif columns:
        print_table(columns, rows)


@sessions_app.command("list")
def list_sessions(
    check: Annotated[
        str | None, typer.Option("--check", metavar="NAME", help="A part of the check's name, or its id.")
    ] = None,
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help="PASSED, FAILED, ...")] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Started at or after this ISO time; UTC, or an offset."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 20,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """List the newest sessions."""
    from recorder import inspecting
    from recorder.screen import print_json, print_table

    wanted = inspecting.SessionFilter(check, status, None if since is None else _instant(since), limit)
    rows = inspecting.list_sessions(Context(config, database).existing_engine, wanted)
    if as_json:
        print_json(rows)
    else:
        print_table(inspecting.LISTED, [list(row.values()) for row in rows])


@sessions_app.command("show")
def show_session(
    session_id: Annotated[str, typer.Argument(metavar="ID", help="A check session id.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Show one session with the results of each location."""
    from recorder import inspecting
    from recorder.screen import print_json, print_table, put

    wanted = uuid_of(session_id, "a check session id")
    found = inspecting.find_session(Context(config, database).existing_engine, wanted)
    if found is None:
        raise UsageError(f"session {wanted} is not recorded: recorder record {wanted} fetches it")
    if as_json:
        print_json(found)
        return
    results = found.pop("results")
    print_table(("field", "value"), found.items())
    if results:
        put("")
        print_table(list(results[0]), [list(row.values()) for row in results])


@db_app.command("upgrade")
def upgrade(config: ConfigFile = None, database: DatabaseUrl = None) -> None:
    """Bring the database to the newest schema; the other commands do it by themselves."""
    from recorder import db
    from recorder.screen import say

    engine = db.open_engine(Context(config, database).settings.database.url)
    before, after = db.upgrade(engine)
    change = f"already at {after}" if before == after else f"{before or 'empty'} -> {after}"
    say(f"{db.describe(engine)}: {change}")


@db_app.command("current")
def current(config: ConfigFile = None, database: DatabaseUrl = None) -> None:
    """Print the schema's revision."""
    from recorder import db
    from recorder.errors import DatabaseError
    from recorder.screen import put

    url = Context(config, database).settings.database.url
    if missing := db.missing_sqlite_file(url):
        raise DatabaseError(f"there is no database {missing}")
    put(db.current_revision(db.open_engine(url)) or "empty")


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f'"{text}" is not an ISO time such as 2026-11-16 or 2026-11-16T05:00:00Z') from None
