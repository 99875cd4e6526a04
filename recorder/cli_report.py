"""The verb report: weekly and range. pandas is imported when a report is asked for, not before."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli_common import AsJson, ConfigFile, Context, DatabaseUrl, spare_modules_the_collector, thresholds_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from recorder.config import Settings
    from reports.report import Report
    from reports.windows import Window

report_app = typer.Typer(
    help="Write pass rates, flakiness by run location and timeElapsed as CSV and HTML.", no_args_is_help=True
)

Zone = Annotated[
    str | None, typer.Option("--timezone", "--tz", metavar="ZONE", help="IANA zone that cuts days and weeks.")
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="DIR", help="The folder to write into; otherwise one in the configured directory."
    ),
]
Formats = Annotated[str, typer.Option("--format", metavar="FORMATS", help="html, csv, or both: html,csv.")]

FailUnder = Annotated[
    float | None,
    typer.Option(
        "--fail-under",
        metavar="RATE",
        min=0,
        max=1,
        help="Exit 1 when fewer of the rated sessions passed: 0.99. Excluded ones do not count; none is not a pass.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register this verb."""
    app.add_typer(report_app, name="report")


@report_app.command()
def weekly(
    week: Annotated[
        str, typer.Option("--week", metavar="WEEK", help='An ISO week, 2026-W47, or "last": the last whole one.')
    ] = "last",
    timezone: Zone = None,
    out: Folder = None,
    formats: Formats = "html,csv",
    fail_under: FailUnder = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Report on one ISO week."""
    from recorder.clock import utc_now
    from reports.windows import week_window

    context = Context(config, database)
    zone = context.settings.reports.timezone if timezone is None else timezone
    report = _write(context, week_window(week, timezone=zone, now=utc_now()), out, formats, as_json=as_json)
    _judge(report, fail_under)


@report_app.command("range")
def range_(
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="ISO date or time; without an offset it is in the zone.")
    ],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="The same, exclusive.")],
    timezone: Zone = None,
    out: Folder = None,
    formats: Formats = "html,csv",
    fail_under: FailUnder = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Report on any span of time."""
    from reports.windows import range_window

    context = Context(config, database)
    zone = context.settings.reports.timezone if timezone is None else timezone
    report = _write(context, range_window(start, end, timezone=zone), out, formats, as_json=as_json)
    _judge(report, fail_under)


@report_app.command()
def deliver(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help='A delivery of the configuration; "reports.weekly": [reports] weekly.')
    ],
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Write the last whole period's report of one delivery now, and tell the people it is for.

    A report that is there stays as it is, and people are told of it again: a way to try a notification.
    """
    from recorder.cli_delivery import deliver_by_hand
    from recorder.screen import counted, put, say

    context = Context(config, database)
    folder, is_new, told = deliver_by_hand(context.existing_engine, context.settings, name)
    put(str(folder / "index.html"))
    written = "written" if is_new else "it was there before and stays as it is"
    telling = f"told by {counted(told, 'notification')}" if told else "nobody is to be told"
    say(f"{folder.name}: {written}, {telling}")


def write_weekly(engine: "Engine", settings: "Settings", *, week: str = "last") -> list[Path]:
    """Write the report of a week where the settings say; the files, the page first."""
    from recorder.clock import utc_now
    from reports.weekly import build_report, write_report
    from reports.windows import week_window

    window = week_window(week, timezone=settings.reports.timezone, now=utc_now())
    report = build_report(engine, window, thresholds_of(settings))
    return write_report(report, settings.reports.directory / window.label)


def _write(context: Context, window: "Window", out: Path | None, formats: str, *, as_json: bool) -> "Report":
    from recorder.screen import print_json, put, say
    from reports.weekly import build_report, summary, write_report

    spare_modules_the_collector()
    wanted = [word.strip() for word in formats.split(",") if word.strip()]
    report = build_report(context.existing_engine, window, thresholds_of(context.settings))
    folder = context.settings.reports.directory / window.label if out is None else out
    files = write_report(report, folder, formats=wanted)
    if as_json:
        print_json(summary(report, files))
        return report
    for path in files:
        put(str(path))
    say(f"{window.label}: {len(files)} files in {folder}")
    return report


def _judge(report: "Report", fail_under: float | None) -> None:
    """Leave with 1 when fewer sessions passed than asked for, or when nothing could be rated."""
    from recorder.screen import say
    from reports.wording import percent

    rate = report.adjusted_pass_rate
    if fail_under is None or (rate is not None and rate >= fail_under):
        return
    passed = "no session can be rated" if rate is None else f"{percent(rate)} of the sessions passed"
    without = ", without the excluded ones" if report.is_adjusted else ""
    say(f"{report.window.label}: {passed}{without}; --fail-under asks for {percent(fail_under)}")
    raise typer.Exit(1)
