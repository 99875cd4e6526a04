"""Verbs about triggers whose answer was lost: reconcile, resolve."""

from dataclasses import asdict
from typing import Annotated

import typer

from recorder.cli_common import AsJson, ConfigFile, Context, DatabaseUrl, set_up_logs, whoami
from recorder.errors import UsageError


def add_to(app: typer.Typer) -> None:
    """Register these verbs."""
    app.command("reconcile")(reconcile)
    app.command("resolve")(resolve)


def reconcile(
    fire: Annotated[int | None, typer.Argument(help="One ambiguous fire; otherwise all that are unresolved.")] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Look at Checkly for results of triggers whose answer was lost. Nothing is triggered; what is found is stored."""
    from recorder import foreground, reconciling, wiring
    from recorder.screen import print_json, print_table, say

    set_up_logs("error", as_json=False)
    context = Context(config, database)
    wiring.checkly_access(context.settings)
    parts = wiring.build(context.settings, context.existing_engine)
    foreground.take_up_remains(parts)
    findings = reconciling.reconcile(parts, fire_pk=fire)
    if as_json:
        print_json([asdict(finding) for finding in findings])
        return
    if not findings:
        say("no fire is ambiguous")
        return
    columns = ("fire_pk", "schedule", "intent_at", "evidence", "results", "note")
    print_table(("fire", *columns[1:]), [[getattr(finding, name) for name in columns] for finding in findings])
    say("decide with: recorder resolve FIRE --ran, or recorder resolve FIRE --not-ran")


def resolve(
    fire: Annotated[int, typer.Argument(help="An ambiguous fire.")],
    ran: Annotated[
        bool | None, typer.Option("--ran/--not-ran", help="Whether Checkly acted on the trigger.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    database: DatabaseUrl = None,
) -> None:
    """Decide what became of an ambiguous fire; who and when is written beside it."""
    from recorder import reconciling
    from recorder.screen import say

    if ran is None:
        raise UsageError("say what became of it: --ran or --not-ran")
    who = whoami()
    reconciling.resolve(Context(config, database).existing_engine, fire, ran=ran, who=who)
    say(f"fire {fire}: {'triggered' if ran else 'missed'}, decided by {who}")
