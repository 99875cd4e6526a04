"""When the daemon writes a report: once for each due time, also for one that passed while nobody ran."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from recorder import deliveries, roster
from recorder.db import transact
from recorder.deliveries import CLAIM_LASTS
from recorder.delivering import PlannedDelivery, deliver_due, due_instants, planned_deliveries
from recorder.errors import UsageError
from recorder.schedule import Cadence
from tests.configuring import load
from tests.factories import rows

MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)
WEEK = timedelta(weeks=1)
WEEKLY = PlannedDelivery("prod", Cadence("0 7 * * 1", None, "UTC"), "weekly", Path("reports/prod"), keep=4)


@dataclass
class Desk:
    """A daemon's deliveries: its clock, what it wrote, and what goes wrong when it writes."""

    engine: Engine
    at: datetime = MONDAY - WEEK / 2
    written: list[tuple[str, datetime]] = field(default_factory=list)
    trouble: dict[str, Exception] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.owner = uuid4()

    def look(self, *plans: PlannedDelivery, at: datetime | None = None) -> list[tuple[str, datetime]]:
        """Look for due reports at a time; what was written just now."""
        self.at = at or self.at
        before = len(self.written)
        deliver_due(
            self.engine,
            plans or (WEEKLY,),
            owner=self.owner,
            now=lambda: self.at,
            stop=self.stop,
            deliver=self._deliver,
        )
        return self.written[before:]

    def _deliver(self, plan: PlannedDelivery, instant: datetime) -> None:
        if plan.name in self.trouble:
            raise self.trouble[plan.name]
        self.written.append((plan.name, instant))


@pytest.fixture
def desk(engine: Engine) -> Desk:
    """A daemon that has looked once, in the middle of a week, and so knows its deliveries."""
    new = Desk(engine)
    assert new.look() == []
    return new


@pytest.fixture
def logged() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_a_report_is_written_when_it_is_due_and_once(desk: Desk) -> None:
    """Not before, at that instant, and not again."""
    assert desk.look(at=MONDAY - timedelta(milliseconds=1)) == []
    assert desk.look(at=MONDAY) == [("prod", MONDAY)]
    assert desk.look(at=MONDAY + timedelta(days=6)) == []


def test_reports_missed_in_an_absence_are_written_at_the_next_start(desk: Desk) -> None:
    """All of them, oldest first; another process goes on where the last one ended."""
    restarted = Desk(desk.engine)

    assert restarted.look(at=MONDAY + 2 * WEEK) == [("prod", MONDAY + n * WEEK) for n in range(3)]


def test_after_a_long_absence_no_more_are_written_than_are_kept(desk: Desk) -> None:
    """The older ones would be removed at once."""
    assert desk.look(at=MONDAY + 30 * WEEK) == [("prod", MONDAY + n * WEEK) for n in range(27, 31)]
    assert desk.look() == []


def test_an_absence_of_years_is_looked_at_for_a_year() -> None:
    """A clock that was wrong must not keep the daemon busy for ever."""
    often = replace(WEEKLY, cadence=Cadence("* * * * *", None, "UTC"), keep=2)

    assert due_instants(often, datetime(1970, 1, 1, tzinfo=UTC), MONDAY) == (MONDAY - timedelta(minutes=1), MONDAY)


def test_a_delivery_that_is_new_starts_now(engine: Engine) -> None:
    """What was due before it was written into the configuration is nobody's."""
    assert Desk(engine).look(at=MONDAY + timedelta(minutes=1)) == []
    assert Desk(engine).look(at=MONDAY + WEEK) == [("prod", MONDAY + WEEK)]


def test_two_daemons_write_one_report_between_them(desk: Desk) -> None:
    """The other one looks while the first is writing, and after it has written."""
    other = Desk(desk.engine, at=MONDAY)

    def write(plan: PlannedDelivery, instant: datetime) -> None:
        assert other.look() == []
        desk.written.append((plan.name, instant))

    deliver_due(desk.engine, [WEEKLY], owner=desk.owner, now=lambda: MONDAY, stop=desk.stop, deliver=write)

    assert desk.written == [("prod", MONDAY)]
    assert other.look(at=MONDAY + timedelta(hours=1)) == []


def test_a_daemon_that_was_too_slow_leaves_the_rest_to_the_one_that_took_over(desk: Desk) -> None:
    """Its claim is over, so its word about the cursor does not count."""
    late = MONDAY + WEEK
    other = Desk(desk.engine)

    def write_slowly(plan: PlannedDelivery, instant: datetime) -> None:
        desk.written.append((plan.name, instant))
        other.look(at=late + 2 * CLAIM_LASTS)

    deliver_due(desk.engine, [WEEKLY], owner=desk.owner, now=lambda: late, stop=desk.stop, deliver=write_slowly)

    assert desk.written == [("prod", MONDAY)]
    assert other.written == [("prod", MONDAY), ("prod", late)]
    assert rows(desk.engine, "SELECT claimed_by FROM deliveries") == [(None,)]


@pytest.mark.parametrize("end", ["buried", "silent"])
def test_what_a_dead_daemon_had_begun_is_written_at_once(desk: Desk, end: str) -> None:
    """It was killed in the middle; its successor is told so (SQLite), or sees that it has not been seen."""

    def die(_: PlannedDelivery, __: datetime) -> None:
        raise SystemExit

    transact(desk.engine, lambda db: roster.sign_in(db, owner=desk.owner, host="here", pid=1, now=MONDAY))
    with pytest.raises(SystemExit):
        deliver_due(desk.engine, [WEEKLY], owner=desk.owner, now=lambda: MONDAY, stop=desk.stop, deliver=die)
    other = Desk(desk.engine)
    soon = MONDAY + timedelta(seconds=20)
    assert other.look(at=soon) == []

    if end == "buried":
        transact(desk.engine, lambda db: roster.bury_all(db, now=soon))
    else:
        soon = MONDAY + roster.SILENT_FOR

    assert other.look(at=soon) == [("prod", MONDAY)]


def test_a_claim_on_what_somebody_else_has_written_meanwhile_is_refused(engine: Engine) -> None:
    """Another daemon wrote the report and let go between the look at the cursor and the claim."""
    one, other = uuid4(), uuid4()
    cursor = transact(engine, lambda db: deliveries.enrol_delivery(db, "prod", now=MONDAY))

    def write(db: Session) -> list[bool]:
        claimed = deliveries.claim_delivery(db, "prod", cursor=cursor, owner=one, now=MONDAY + WEEK)
        moved = deliveries.advance_delivery(db, "prod", owner=one, to=MONDAY + WEEK, now=MONDAY + WEEK)
        deliveries.release_delivery(db, "prod", owner=one)
        return [claimed, moved]

    assert transact(engine, write) == [True, True]
    assert not transact(
        engine, lambda db: deliveries.claim_delivery(db, "prod", cursor=cursor, owner=other, now=MONDAY + WEEK)
    )


def test_a_report_that_failed_is_tried_again_and_said_in_one_line(
    desk: Desk, logged: list[structlog.typing.EventDict]
) -> None:
    """Not at once: the folder is still full. The others are written meanwhile."""
    other = replace(WEEKLY, name="checkout")
    desk.look(WEEKLY, other)
    desk.trouble["prod"] = UsageError("cannot write the report to reports/prod: No space left on device")

    assert desk.look(WEEKLY, other, at=MONDAY) == [("checkout", MONDAY)]
    desk.trouble.clear()
    assert desk.look(at=MONDAY + CLAIM_LASTS) == []
    assert desk.look(at=MONDAY + CLAIM_LASTS + timedelta(seconds=1)) == [("prod", MONDAY)]

    assert [(line["log_level"], line["error"]) for line in logged] == [
        ("error", "cannot write the report to reports/prod: No space left on device")
    ]


def test_what_cannot_be_explained_holds_up_nothing_else(desk: Desk, logged: list[structlog.typing.EventDict]) -> None:
    """With a traceback in the log, for whoever mends it."""
    desk.look(WEEKLY, replace(WEEKLY, name="checkout"))
    desk.trouble["prod"] = ZeroDivisionError("what?")

    assert desk.look(WEEKLY, replace(WEEKLY, name="checkout"), at=MONDAY) == [("checkout", MONDAY)]
    assert [(line["delivery"], line["exc_info"]) for line in logged] == [("prod", True)]


def test_a_stop_leaves_what_is_not_begun_for_the_next_start(desk: Desk) -> None:
    """And nobody waits for its claim."""
    desk.stop.set()

    assert desk.look(at=MONDAY) == []
    assert Desk(desk.engine).look(at=MONDAY) == [("prod", MONDAY)]


def test_the_configuration_says_what_is_delivered_where(tmp_path: Path) -> None:
    """`[reports] weekly` is one of them, in the directory itself; the clock is that of the reports."""
    plans = planned_deliveries(
        load(
            tmp_path,
            """
            [reports]
            timezone = "Europe/Berlin"
            directory = "out"
            weekly = "0 7 * * 1"
            keep = 3
            [[deliveries]]
            name = "checkout"
            cron = "@monthly"
            period = "monthly"
            checks = ["Checkout"]
            match_tags = [["checkout", "!eu"], ["pay"]]
            notify_from = "TEAM_URLS"
            """,
        )
    )

    weekly, checkout = plans
    assert (weekly.folder, weekly.keep, weekly.cadence.timezone) == (Path("out"), 3, "Europe/Berlin")
    assert checkout == PlannedDelivery(
        name="checkout",
        cadence=Cadence("0 0 1 * *", None, "Europe/Berlin"),
        period="monthly",
        folder=Path("out/checkout"),
        keep=26,
        checks=("Checkout",),
        match_tags=(("checkout", "!eu"), ("pay",)),
        notify_from="TEAM_URLS",
    )
    assert planned_deliveries(load(tmp_path, "")) == ()
