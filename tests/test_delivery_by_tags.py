"""A delivery that goes by tags, from triggers at a simulated account to the report's files."""

import csv
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from recorder import db
from recorder.models import CheckSession, Fire
from recorder.simulator.server import SimulatorServer
from tests.commands import account, command, quick_checkly

CONFIGURATION = """
[[schedules]]
name = "checkout"
every = "1h"
match_tags = [["checkout", "skip-e2e"]]

[reports]
directory = "out"

[[deliveries]]
name = "shop"
cron = "0 7 * * 1"
match_tags = [["checkout"]]
"""


@pytest.fixture
def checkly() -> Iterator[SimulatorServer]:
    with quick_checkly() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recorder.toml").write_text(CONFIGURATION)
    return tmp_path


def a_week_later(folder: Path) -> None:
    """Take everything that was recorded back into the last week."""
    engine = db.open_engine(f"sqlite:///{folder / 'history.db'}")
    with Session(engine) as history, history.begin():
        for session in history.scalars(select(CheckSession)):
            session.started_at -= timedelta(weeks=1)
        for fire in history.scalars(select(Fire)):
            fire.scheduled_for -= timedelta(weeks=1)
    engine.dispose()


def test_a_delivery_is_about_the_checks_that_were_triggered_by_its_tags(folder: Path, checkly: SimulatorServer) -> None:
    """By a schedule or by hand, by these tags or narrower ones; what came by other tags alone is left out.

    The Payments API has the tag as well, but nothing that was asked for says so.
    """
    by_hand = (["--tags", tags, "--detach"] for tags in ("checkout,web", "critical", "e2e"))
    for how in (["checkout"], *by_hand):
        assert command("trigger", *how, folder=folder, environ=account(checkly)).code == 0
    a_week_later(folder)

    done = command("report", "deliver", "shop", folder=folder)

    page = folder / done.out.strip()
    with page.with_name("checks.csv").open(encoding="utf-8", newline="") as file:
        sessions = {row["check_name"]: row["sessions"] for row in csv.DictReader(file)}
    recorded = command("query", "SELECT DISTINCT check_name FROM session_history", folder=folder)
    assert {"Payments API", "End-to-end suite"} < {name for (name,) in recorded.table[1:]}
    assert sessions == {"Cart API": "2", "Checkout flow": "2"}
    assert json.loads(page.with_name("manifest.json").read_text())["about"] == "checks tagged checkout"
    assert "<dt>Only</dt><dd><bdi>checks tagged checkout</bdi></dd>" in page.read_text(encoding="utf-8")


def test_tags_that_no_schedule_leads_to_are_pointed_out(folder: Path) -> None:
    """Before anybody waits for the report in vain; a trigger by hand may lead to them all the same."""
    (folder / "recorder.toml").write_text(CONFIGURATION + '\n[[deliveries]]\nname = "typo"\ncron = "@weekly"\n')
    with (folder / "recorder.toml").open("a") as file:
        file.write('match_tags = [["chekout"]]\n')

    done = command("check-config", folder=folder)

    assert 'delivery "typo": no schedule triggers only checks that fit ["chekout"]' in done.err
    assert done.err.count("no schedule triggers") == 1
