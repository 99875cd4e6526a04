"""Verbs that need no account: demo and simulate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recorder.cli_common import uuid_of
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.simulator.server import SimulatorServer


def add_to(app: typer.Typer) -> None:
    """Register these verbs."""
    app.command("demo")(demo)
    app.command("simulate")(simulate)


def demo(
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="DIR", help="A new or empty folder; otherwise recorder-demo, or recorder-demo-2 ..."
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=5, max=600, help="How long sessions are triggered live.")
    ] = 15,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another history.")] = 1,
) -> None:
    """Show the whole job without an account: a simulated Checkly, its past, live sessions, the weekly report."""
    from recorder.cli_common import set_up_logs
    from recorder.cli_report import write_weekly
    from recorder.demo import run_demo

    set_up_logs("error", as_json=False)
    run_demo(directory, seconds=seconds, seed=seed, write_report=write_weekly)


def simulate(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 picks a free port.")] = 8080,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="A loopback address.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same ids and outcomes.")] = 1,
    speed: Annotated[
        float, typer.Option("--speed", metavar="TIMES", help="How many times faster than life sessions run.")
    ] = 60,
    account: Annotated[
        list[str] | None,
        typer.Option(
            "--account", metavar="ID", help="Serve this account only; may be repeated. Otherwise any is served."
        ),
    ] = None,
) -> None:
    """Serve a simulated Checkly on this machine, for trying things out and for tests."""
    from recorder.screen import put, say
    from recorder.simulator.server import PortInUseError, serve_forever

    def on_ready(server: "SimulatorServer") -> None:
        put(server.base_url)
        say(f"simulated Checkly at {server.base_url}, {speed:g} times faster than life; Ctrl-C ends it. To use it:")
        say(f"  export CHECKLY_API_URL={server.base_url} CHECKLY_API_KEY=demo CHECKLY_ACCOUNT_ID={server.account_id}")

    accounts = [str(uuid_of(text, "an account id")) for text in account or []]
    try:
        serve_forever(host, port, seed=seed, speed=speed, accounts=accounts, on_ready=on_ready)
    except (PortInUseError, ValueError) as error:
        raise UsageError(str(error)) from error
