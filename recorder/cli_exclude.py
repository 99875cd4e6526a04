"""The verb exclude: spans of time that a person takes out of the adjusted figures of the reports."""

from typing import Annotated

import typer

from recorder.cli_common import AsJson, ConfigFile, Context, DatabaseUrl, whoami

exclude_app = typer.Typer(
    help="Take spans of time out of the reports' adjusted figures; the recorded ones stay as they are.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Register this verb."""
    app.add_typer(exclude_app, name="exclude")


@exclude_app.command()
def add(
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="ISO date or time; without an offset in the reports' zone.")
    ],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="The same, exclusive.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in every report.")],
    check: Annotated[
        str | None, typer.Option("--check", metavar="CHECK", help="A check's name or id; otherwise all of them.")
    ] = None,
    location: Annotated[
        str | None, typer.Option("--location", metavar="NAME", help="A run location; otherwise all of them.")
    ] = None,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Exclude what started in a span of time; who, when and why is written beside it."""
    from recorder.excluding import Span, add_exclusion
    from recorder.screen import say
    from reports.windows import range_window

    context = Context(config, database)
    window = range_window(start, end, timezone=context.settings.reports.timezone)
    span = Span(window.start, window.end, check, location)
    exclusion = add_exclusion(context.existing_engine, span, reason=reason, who=whoami())
    what = " from ".join([check or "every check", location or "every location"])
    say(f"exclusion {exclusion}: {what}, {window.start_local:%F %T %Z} to {window.end_local:%F %T %Z}")


@exclude_app.command("list")
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Those that were removed, too.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """List the exclusions, the oldest span first."""
    from recorder.inspecting import EXCLUSION_COLUMNS, list_exclusions
    from recorder.screen import print_json, print_table

    found = list_exclusions(Context(config, database).existing_engine, removed_too=all_)
    if as_json:
        print_json(found)
        return
    columns = [name for name in EXCLUSION_COLUMNS if name != "check_id" and (all_ or not name.startswith("removed"))]
    print_table(columns, [[row[name] for name in columns] for row in found])


@exclude_app.command()
def remove(
    exclusion: Annotated[int, typer.Argument(metavar="ID", help="The number that the list shows.")],
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Take an exclusion back; its row stays, with who removed it and when."""
    from recorder.excluding import remove_exclusion
    from recorder.screen import say

    who = whoami()
    remove_exclusion(Context(config, database).existing_engine, exclusion, who=who)
    say(f"exclusion {exclusion}: removed by {who}")
