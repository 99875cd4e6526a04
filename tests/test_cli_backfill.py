"""`recorder backfill`: what Checkly still keeps, on the command line."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.simulator.server import SimulatorServer
from tests.commands import account, command, one_line, quick_checkly
from tests.factories import some_id


@pytest.fixture(scope="module")
def checkly() -> Iterator[SimulatorServer]:
    """An account with a day of the past."""
    with quick_checkly() as server:
        yield server


def check_of(checkly: SimulatorServer) -> str:
    return str(checkly.world.eligible()[0].check_id)


def test_results_are_stored_once_and_the_summary_counts_them(checkly: SimulatorServer, tmp_path: Path) -> None:
    arguments = ("backfill", "--check", check_of(checkly), "--days", "2", "--json")

    first = command(*arguments, folder=tmp_path, environ=account(checkly))
    again = command(*arguments, folder=tmp_path, environ=account(checkly))

    assert (first.code, again.code) == (0, 0)
    assert first.json["new_results"] == first.json["results"] - first.json["unsettled"] > 10
    assert first.json["new_sessions"] > 0
    assert first.json["failed_checks"] == []
    assert first.json["stopped"] is False
    assert (again.json["new_sessions"], again.json["new_results"]) == (0, 0)
    assert again.json["known"] >= first.json["new_results"]
    assert f"1/1 check {check_of(checkly)}" in first.err


def test_without_a_check_it_asks_for_those_that_are_recorded(checkly: SimulatorServer, tmp_path: Path) -> None:
    command("backfill", "--check", check_of(checkly), folder=tmp_path, environ=account(checkly))

    done = command("backfill", "--days", "1", folder=tmp_path, environ=account(checkly))

    assert done.code == 0
    assert done.err.splitlines()[0].startswith(f"1/1 check {check_of(checkly)}: ")
    assert "0 new ones in 0 sessions" in done.err


def test_a_check_that_checkly_does_not_know_stops_no_other(checkly: SimulatorServer, tmp_path: Path) -> None:
    unknown = some_id("nobody's check")
    done = command(
        *("backfill", "--check", unknown, "--check", check_of(checkly), "--json"),
        folder=tmp_path,
        environ=account(checkly),
    )

    assert done.code == 1
    assert done.json["failed_checks"] == [unknown]
    assert done.json["new_sessions"] > 0
    assert f"check {unknown}: GET /v2/check-results/{unknown}: 404" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--check", "checkout"), '"checkout" is not a check id'),
        (("--to", "2026-11-01"), "--to needs --from"),
        (("--from", "2026-11-01", "--days", "3"), "--days and --from"),
        (("--from", "2199-01-01"), "does not lie before"),
        (("--from", "2199-01-01", "--to", "2199-02-01"), "lies in the future"),
        (("--from", "2019-01-01"), "180 days at most"),
        (("--from", "yesterday"), "neither an ISO date"),
        (("--days", "181"), "less than or equal to 180"),
        (("--days", "0"), "greater than or equal to 1"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_is_asked(
    checkly: SimulatorServer, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = checkly.witness().requests.get("check_results", 0)
    more = () if arguments[0] == "--check" else ("--check", check_of(checkly))

    done = command("backfill", *more, *arguments, folder=tmp_path, environ=account(checkly))

    assert done.code == 2
    assert said in done.err
    assert checkly.witness().requests.get("check_results", 0) == before


def test_with_nothing_recorded_it_asks_for_a_check(checkly: SimulatorServer, tmp_path: Path) -> None:
    command("db", "upgrade", folder=tmp_path, environ=account(checkly))

    done = command("backfill", folder=tmp_path, environ=account(checkly))

    assert done.code == 2
    assert one_line(done) == "recorder: no check is recorded yet: name one with --check ID"


def test_a_key_that_checkly_refuses_is_exit_4_and_a_missing_one_exit_3(
    checkly: SimulatorServer, tmp_path: Path
) -> None:
    refused = command(
        "backfill", "--check", check_of(checkly), folder=tmp_path, environ=account(checkly, key="bad-key")
    )
    missing = command("backfill", "--check", check_of(checkly), folder=tmp_path)

    assert (refused.code, missing.code) == (4, 3)
    assert "401" in one_line(refused)
    assert "CHECKLY_API_KEY" in missing.err


def test_a_stop_says_how_to_go_on(tmp_path: Path) -> None:
    """Ctrl-C while it waits for its turn."""
    with quick_checkly() as checkly:
        waiting = threading.Event()

        def interrupt_after_the_first_answer() -> None:
            while not checkly.witness().requests.get("check_results") and not waiting.wait(0.02):
                pass
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt_after_the_first_answer)
        ids = [one.check_id for one in checkly.world.eligible()[:6]]
        thread.start()
        done = command(
            "backfill", *(f"--check={one}" for one in ids), "--json", folder=tmp_path, environ=account(checkly)
        )
        waiting.set()
        thread.join()

    assert done.code == 130
    assert done.json["stopped"] is True
    assert "the same command goes on" in done.err
    assert checkly.witness().requests["check_results"] < len(ids)
