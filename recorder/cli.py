"""The command line: verbs only. Each parses, calls a use case and prints; heavy modules are imported when needed.

Machine output goes to stdout, words to stderr. Exit codes: 0 ok, 1 a check failed where asked to say so, 2 usage,
3 configuration, 4 Checkly refused or unreachable, 5 database, 75 another daemon holds the database.
"""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from recorder import cli_demo, cli_history, cli_report, cli_sessions
from recorder.cli_common import AsJson, ConfigFile, Context
from recorder.errors import RecorderError, UsageError

app = typer.Typer(
    name="recorder",
    help="Trigger tagged Checkly check sessions on a cadence, keep every result in SQL for ever, report on them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli_demo.add_to(app)
cli_sessions.add_to(app)
cli_history.add_to(app)
cli_report.add_to(app)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Trigger tagged Checkly check sessions on a cadence, keep every result in SQL for ever, report on them."""
    if version:
        from recorder import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("recorder.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented recorder.toml to start from."""
    from recorder.screen import say
    from recorder.starter import STARTER_TOML

    if path.exists() and not force:
        raise UsageError(f"{path} exists already: name another file, or replace it with --force")
    try:
        path.write_text(STARTER_TOML, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    say(f"wrote {path}. Next: edit the schedules, set CHECKLY_API_KEY and CHECKLY_ACCOUNT_ID, recorder check-config")


@app.command("check-config")
def check_config(config: ConfigFile = None) -> None:
    """Read the configuration and say everything that is wrong with it, each with its place."""
    from recorder.config import access_problems, warnings_for
    from recorder.screen import say

    settings = Context(config).settings
    for warning in [*warnings_for(settings), *map(str, access_problems(settings))]:
        say(f"warning: {warning}")
    source = settings.source or "no configuration file, the defaults hold"
    say(f"ok: {source}, {len(settings.schedules)} schedule{'' if len(settings.schedules) == 1 else 's'}")


@app.command()
def plan(
    count: Annotated[int, typer.Option("--next", min=1, max=1000, help="Due times to show for each schedule.")] = 3,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show when each schedule is due next and what it would send; asks Checkly nothing."""
    from recorder.planning import upcoming
    from recorder.screen import print_json, print_table

    rows = upcoming(Context(config).settings.schedules, count=count)
    if as_json:
        print_json(rows)
        return
    columns = ("schedule_name", "due_at", "local_time", "request_body")
    print_table(columns, [[row[column] for column in columns] for row in rows])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code; what the recorder can name is one line, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks ends no command
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Typer says itself what is wrong with the words of a command line."""
    from recorder.screen import say

    try:
        app(args=arguments, prog_name="recorder")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except RecorderError as error:
        say("\n".join(f"recorder: {line}" for line in str(error).splitlines()))
        return error.exit_code
    return 0


if __name__ == "__main__":
    main()
