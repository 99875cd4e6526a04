"""The command line: verbs only. Each parses, calls a use case and prints; heavy modules are imported when needed.

Machine output goes to stdout, words to stderr. The exit codes are those of `errors.py`; see EPILOG.
"""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from recorder import cli_backfill, cli_demo, cli_exclude, cli_history, cli_ledger, cli_report, cli_sessions
from recorder.cli_common import AsJson, ConfigFile, Context
from recorder.errors import ConfigError, RecorderError, UsageError

EPILOG: Final = """\
Every command reads its configuration from --config, RECORDER_CONFIG or ./recorder.toml, and the key and the account
from CHECKLY_API_KEY (or CHECKLY_API_KEY_FILE) and CHECKLY_ACCOUNT_ID. Tables and JSON go to stdout, all else to stderr;
times are UTC.

\b
Exit codes: 0 ok, 1 a check failed where asked to say so or a piece was refused, 2 usage, 3 configuration,
4 Checkly refused or unreachable, 5 database, 75 another daemon holds the database, 130 stopped.
"""

app = typer.Typer(
    name="recorder",
    help="Trigger tagged Checkly check sessions on a cadence, keep every result in SQL for ever, report on them.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli_demo.add_to(app)
cli_sessions.add_to(app)
cli_ledger.add_to(app)
cli_history.add_to(app)
cli_backfill.add_to(app)
cli_report.add_to(app)
cli_exclude.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from recorder import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and leave."),
    ] = False,
) -> None:
    """Trigger tagged Checkly check sessions on a cadence, keep every result in SQL for ever, report on them."""


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("recorder.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented recorder.toml to start from."""
    from recorder.screen import say
    from recorder.starter import STARTER_TOML

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(STARTER_TOML)
    except FileExistsError:
        raise UsageError(f"{path} exists already: name another file, or replace it with --force") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    say(f"wrote {path}. Next: edit the schedules, set CHECKLY_API_KEY and CHECKLY_ACCOUNT_ID, recorder check-config")


@app.command("check-config")
def check_config(config: ConfigFile = None) -> None:
    """Read the configuration and say everything that is wrong with it, each with its place."""
    from recorder.config import access_problems, warnings_for
    from recorder.screen import counted, say

    settings = Context(config).settings
    for warning in [*warnings_for(settings), *map(str, access_problems(settings))]:
        say(f"warning: {warning}")
    source = settings.source or "no configuration file, the defaults hold"
    say(f"ok: {source}, {counted(len(settings.schedules), 'schedule')}")


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
    try:
        app(args=arguments, prog_name="recorder")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except RecorderError as error:
        from recorder.screen import one_line, say

        for what in error.problems if isinstance(error, ConfigError) else [error]:
            say(f"recorder: {one_line(str(what))}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    main()
