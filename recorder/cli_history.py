"""Verbs on what is recorded: import, status, sessions, query, db."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from recorder.cli_common import AsJson, ConfigFile, Context, DatabaseUrl
from recorder.errors import UsageError

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
    file: Annotated[str, typer.Argument(help="JSON lines or an array of session payloads; - reads stdin.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Import session payloads as the API returns them. A second import of the same file changes nothing."""
    from recorder.clock import utc_now
    from recorder.importing import import_sessions
    from recorder.screen import print_json, progress, say

    path = None if file == "-" else Path(file)
    if path is not None and not path.is_file():
        raise UsageError(f"{path} is not a file: name a file of session payloads, or - for stdin")
    engine = Context(config, database).engine
    try:
        source = sys.stdin.buffer if path is None else path.open("rb")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    size = None if path is None else path.stat().st_size
    with source, progress("importing", size) as bar:
        done = import_sessions(
            engine,
            source,
            now=utc_now,
            on_refused=lambda text: say(f"{file}: {text}"),
            on_progress=lambda at: bar.update(bar.task_ids[0], completed=at),
        )
    numbers = {
        "read": done.read,
        "new_sessions": done.written.sessions,
        "new_results": done.written.results,
        "unfinished": done.unfinished,
        "refused": done.refused,
    }
    if as_json:
        print_json(numbers)
    else:
        say(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in numbers.items()))
    if done.refused:
        raise typer.Exit(1)


def status(config: ConfigFile = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Say what is recorded, what is open and what needs a person."""
    from recorder import inspecting
    from recorder.screen import print_json, print_table

    found = inspecting.status(Context(config, database).existing_engine)
    if as_json:
        print_json(found)
        return
    rows: list[tuple[str, Any]] = [("database", found["database"]), ("schema", found["schema"])]
    rows += [(f"sessions {name.replace('_', ' ')}", value) for name, value in found["sessions"].items()]
    rows += [
        (" ".join(filter(None, ("fires", fire["state"], fire["reason"]))), fire["fires"]) for fire in found["fires"]
    ]
    rows += [(f"schedule {one['schedule_name']} last due", one["last_due_at"]) for one in found["schedules"]]
    rows += [(f"unknown to the contract: {one['what']}", one["times"]) for one in found["contract_surprises"]]
    rows += [(f"unreadable {one['kind']}", one["pieces"]) for one in found["unreadable"]]
    print_table(("what", "value"), rows)


def query(
    sql: Annotated[str, typer.Argument(help="One statement that only reads; the views are described in docs/sql.md.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Run a SQL query of your own; the database refuses to write."""
    from recorder import inspecting
    from recorder.screen import print_json, print_table

    columns, rows = inspecting.query(Context(config, database).existing_engine, sql)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif columns:
        print_table(columns, rows)


@sessions_app.command("list")
def list_sessions(
    check: Annotated[str | None, typer.Option("--check", help="A part of the check's name, or its id.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="PASSED, FAILED, ...")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Started at or after this ISO time (UTC).")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 20,
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
    session_id: Annotated[str, typer.Argument(metavar="ID")],
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Show one session with the results of each location."""
    from uuid import UUID

    from recorder import inspecting
    from recorder.screen import print_json, print_table

    try:
        wanted = UUID(session_id)
    except ValueError:
        raise UsageError(f'"{session_id}" is not a check session id: copy the UUID from Checkly') from None
    found = inspecting.find_session(Context(config, database).existing_engine, wanted)
    if found is None:
        raise UsageError(f"session {wanted} is not recorded: recorder record {wanted} fetches it")
    if as_json:
        print_json(found)
        return
    results = found.pop("results")
    print_table(("field", "value"), found.items())
    if results:
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

    url = Context(config, database).settings.database.url
    if missing := db.missing_sqlite_file(url):
        raise DatabaseError(f"there is no database {missing}")
    typer.echo(db.current_revision(db.open_engine(url)) or "empty")


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f'"{text}" is not an ISO time such as 2026-11-16 or 2026-11-16T05:00:00Z') from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
