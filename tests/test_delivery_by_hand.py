"""A delivery that a person asks for: the last whole period's report now, and a try of its notification."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select, update

from recorder import db
from recorder.clock import utc_now
from recorder.models import Delivery
from tests.commands import Done, command, one_line
from tests.past import MONDAY, hourly
from tests.sockets import ScriptedServer, http_answer, saying

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""One of Apprise's plugins still asks for it, before Python 3.13."""

CONFIGURATION = """
[reports]
directory = "out"
weekly = "0 7 * * 1"

[[deliveries]]
name = "checkout"
cron = "0 7 1 * *"
period = "monthly"
checks = ["Checkout"]
notify_from = "TEAM_URLS"
"""


def deliver(folder: Path, name: str, addresses: str = "") -> Done:
    return command("report", "deliver", name, folder=folder, environ={"TEAM_URLS": addresses})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A history with two deliveries, and nothing delivered yet."""
    (tmp_path / "recorder.toml").write_text(CONFIGURATION)
    (tmp_path / "sessions.json").write_text(json.dumps(hourly(["pass", "fail"])))
    assert command("import", "sessions.json", folder=tmp_path).code == 0
    return tmp_path


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    opened = db.open_engine(f"sqlite:///{folder / 'history.db'}")
    yield opened
    opened.dispose()


def test_a_report_is_delivered_and_told_of_at_once_and_told_of_again(folder: Path) -> None:
    """The second time the folder stays as it is: what is tried is the notification."""
    with ScriptedServer(saying(http_answer(200)), saying(http_answer(200))) as sink:
        address = f"json://ann:hunter22@127.0.0.1:{sink.port}/"
        first = deliver(folder, "Checkout", address)
        page = folder / first.out.strip()
        written = page.stat().st_mtime_ns
        second = deliver(folder, "checkout", address)

    month = page.parent.name
    assert (first.code, second.code) == (0, 0)
    assert first.err == f"{month}: written, told by 1 notification\n"
    assert second.err == f"{month}: it was there before and stays as it is, told by 1 notification\n"
    assert page.parent.parent == folder / "out" / "checkout"
    assert (folder / "out" / "checkout" / "latest").resolve() == page.parent.resolve()
    assert page.stat().st_mtime_ns == written
    assert len(sink.requests) == 2
    assert "Only" in page.read_text(encoding="utf-8")


def test_people_are_told_again_what_the_page_says_and_not_what_was_recorded_since(folder: Path) -> None:
    """The page stays as it is, and newer figures would contradict it. A marker of an earlier version says less."""
    with ScriptedServer(*(saying(http_answer(200)) for _ in range(3))) as sink:
        address = f"json://127.0.0.1:{sink.port}/"
        page = folder / deliver(folder, "checkout", address).out.strip()
        tenth = datetime.fromisoformat(f"{page.parent.name}-10T00:00:00+00:00")
        late = hourly(["fail"], start=(tenth - MONDAY) / timedelta(hours=1))
        (folder / "late.json").write_text(json.dumps(late))
        assert command("import", "late.json", folder=folder).code == 0
        deliver(folder, "checkout", address)
        marker = page.parent / "delivery.json"
        said = json.loads(marker.read_text())
        marker.write_text(json.dumps({name: said[name] for name in said if name != "notice"}))
        deliver(folder, "checkout", address)

    first, again, older = (json.loads(request.body)["message"] for request in sink.requests)
    assert first == again
    assert all("No session was recorded" in message for message in (first, older))


def test_the_weekly_report_has_a_name_too_and_tells_nobody(folder: Path) -> None:
    done = deliver(folder, "reports.weekly")

    assert done.code == 0
    assert done.err.endswith(": written, nobody is to be told\n")
    assert (folder / "out" / "index.html").exists()


def test_what_is_due_later_is_still_due(folder: Path, engine: Engine) -> None:
    """By hand nothing is marked as written; the claim is let go."""
    assert deliver(folder, "reports.weekly").code == 0
    with engine.begin() as connection:
        before = utc_now() - timedelta(days=30)
        connection.execute(update(Delivery).values(cursor=before))
    assert deliver(folder, "reports.weekly").code == 0

    with engine.begin() as connection:
        (row,) = connection.execute(select(Delivery.cursor, Delivery.claimed_by))
    assert tuple(row) == (before.replace(microsecond=before.microsecond // 1000 * 1000), None)


def test_nothing_is_written_while_a_daemon_is_at_it(folder: Path, engine: Engine) -> None:
    """Two that write the same folder would clear away each other's halves."""
    assert deliver(folder, "reports.weekly").code == 0
    with engine.begin() as connection:
        connection.execute(update(Delivery).values(claimed_by=uuid4(), claimed_at=utc_now()))

    done = deliver(folder, "reports.weekly")

    assert done.code == 2
    assert "a daemon is delivering reports.weekly at this moment" in one_line(done)


def test_a_notification_that_fails_is_an_error_and_the_report_is_there(folder: Path) -> None:
    """It is what the person wanted to know; the address is not shown."""
    done = deliver(folder, "checkout", "json://ann:hunter22@127.0.0.1:9/")

    assert done.code == 1
    assert one_line(done) == "recorder: 1 of 1 notifications could not be sent: address 1"
    assert list((folder / "out" / "checkout").glob("*/delivery.json"))


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("nope", 2, "recorder: no delivery is named 'nope'; there are reports.weekly, checkout"),
        (
            "checkout",
            3,
            "recorder: TEAM_URLS: holds no Apprise URL: set it, or TEAM_URLS_FILE to a file with one a line",
        ),
    ],
)
def test_a_delivery_that_cannot_be_is_one_line_and_writes_nothing(
    name: str, code: int, said: str, folder: Path
) -> None:
    done = deliver(folder, name)

    assert (done.code, one_line(done)) == (code, said)
    assert not (folder / "out").exists()


def test_without_a_delivery_in_the_configuration_it_says_where_to_write_one(folder: Path) -> None:
    (folder / "recorder.toml").write_text("")

    done = deliver(folder, "weekly")

    assert done.code == 2
    assert one_line(done) == (
        "recorder: no delivery is named 'weekly'; none is configured: write [reports] weekly or [[deliveries]]"
    )
