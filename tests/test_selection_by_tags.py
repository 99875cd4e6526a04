"""A report about checks by their tags: those that only a check with these tags can have been triggered by."""

import hashlib
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from recorder.db import transact
from recorder.models import Fire, Schedule
from recorder.payloads import parse_session
from recorder.store import Recording, record_sessions
from recorder.targets import Target
from reports.history import load_history
from reports.selection import Selection
from reports.weekly import build_report
from tests.past import MONDAY, record, session, week

CHECKOUT = Selection(match_tags=(("checkout",),))
IDS = (UUID(int=1),)
TARGETS = {
    "Alone": Target((("checkout",),)),
    "Narrower": Target((("checkout", "prod"),)),
    "Either": Target((("checkout", "prod"), ("checkout", "eu"))),
    "Without": Target((("checkout", "!eu"),), refresh_cache=True),
    "Doubtful": Target((("checkout",), ("search",))),
    "Named": Target(check_ids=IDS),
    "Both": Target((("checkout",),), check_ids=IDS),
    "Everything": Target(run_everything=True),
}
"""What triggered the check of each name."""


def trigger(
    engine: Engine,
    target: Target | None,
    *sessions: dict[str, Any],
    schedule: str | None = None,
    state: str = "triggered",
) -> None:
    """Record a fire as it is left behind by the ledger, when the first session begins; by hand without a schedule."""
    parsed = [parse_session(one) for one in sessions]
    body = None if target is None else target.request_body()
    request = (
        {} if body is None else {"request_body": body.decode(), "request_sha256": hashlib.sha256(body).hexdigest()}
    )

    def write(db: Session) -> None:
        schedule_pk, origin = _enrolled(db, schedule), "manual" if schedule is None else "schedule"
        at = parsed[0].started_at
        how = {"origin": origin, "scheduled_for": at, "not_before": at, "state": state, "attempt": 1, **request}
        fire_pk = db.execute(insert(Fire).values(schedule_pk=schedule_pk, **how).returning(Fire.pk)).scalar_one()
        if state == "triggered":
            record_sessions(db, [Recording(one, origin, closes=True, fire_pk=fire_pk) for one in parsed], now=MONDAY)

    transact(engine, write)


def _enrolled(db: Session, name: str | None) -> int | None:
    if name is None:
        return None
    known = db.scalars(select(Schedule.pk).where(Schedule.name == name)).one_or_none()
    new = insert(Schedule).values(name=name, definition="", cursor=MONDAY, created_at=MONDAY).returning(Schedule.pk)
    return known or db.execute(new).scalar_one()


def passed(check: str, *, hour: float = 1) -> dict[str, Any]:
    return session(hour, {"eu": "pass"}, check=check)


@pytest.fixture
def history(engine: Engine) -> Engine:
    """A check for each of the TARGETS, triggered by hand or by a schedule of its name, and one that was imported."""
    for number, (check, target) in enumerate(TARGETS.items()):
        trigger(engine, target, passed(check), schedule=check if number % 2 else None)
    record(engine, [passed("Imported"), passed("Alone", hour=2), passed("Doubtful", hour=2)])
    return engine


@pytest.mark.parametrize(
    ("match_tags", "checks"),
    [
        ((("checkout",),), {"Alone", "Narrower", "Either", "Without"}),
        ((("checkout", "prod"),), {"Narrower"}),
        ((("prod",),), {"Narrower"}),
        ((("checkout", "prod"), ("eu",)), {"Narrower", "Either"}),
        ((("checkout",), ("search",)), {"Alone", "Narrower", "Either", "Without", "Doubtful"}),
        ((("!eu",),), {"Without"}),
        ((("!prod",),), set()),
        ((("Checkout",),), set()),
    ],
)
def test_a_check_is_chosen_when_what_triggered_it_can_only_match_the_tags(
    match_tags: tuple[tuple[str, ...], ...], checks: set[str], history: Engine
) -> None:
    """By hand or by a schedule; ids, everything and an import say nothing of tags, nor do tags sent beside ids."""
    report = build_report(history, week(), selection=Selection(match_tags=match_tags))

    assert set(report.checks["check_name"]) == checks
    assert set(report.sessions["check_name"]) == checks


def test_all_sessions_of_a_chosen_check_count_and_those_named_beside_it(history: Engine) -> None:
    """However they came about; a schedule, an id or a name adds to what the tags choose."""
    selection = Selection(("Named",), (), ("Imported",), (("checkout", "prod"), ("nope",)))

    chosen = build_report(history, week(), selection=selection).checks
    alone = build_report(history, week(), selection=CHECKOUT).checks

    assert set(chosen["check_name"]) == {"Named", "Imported", "Narrower"}
    assert dict(zip(alone["check_name"], alone["sessions"], strict=True))["Alone"] == 2


def test_a_check_has_the_tags_of_any_of_its_sessions_in_the_window_or_the_time_before(engine: Engine) -> None:
    """What it had earlier it may have lost; one that has gone since is said to be gone."""
    old = passed("Old", hour=-169)
    trigger(engine, TARGETS["Alone"], old, schedule="prod")
    trigger(engine, TARGETS["Alone"], passed("Gone", hour=-168), schedule="prod")
    trigger(engine, TARGETS["Doubtful"], passed("Here", hour=1), schedule="all")
    trigger(engine, TARGETS["Alone"], passed("Here", hour=2), schedule="prod")
    record(engine, [passed("Old"), passed("Other", hour=167)])

    report = build_report(engine, week(), selection=CHECKOUT)

    assert report.checks["check_name"].tolist() == ["Here"]
    assert ("gone", "Gone") in set(zip(report.changes["kind"], report.changes["check_name"], strict=True))
    assert "Old" not in set(report.changes["check_name"])


def test_due_times_are_those_of_the_schedules_that_the_tags_were_found_by(engine: Engine) -> None:
    """Also of one that was missed all week since; a schedule whose target says nothing of the tags has none of them."""
    trigger(engine, TARGETS["Alone"], passed("Login", hour=-5), schedule="prod")
    trigger(engine, TARGETS["Alone"], passed("Login", hour=5), schedule="prod", state="missed")
    trigger(engine, TARGETS["Narrower"], passed("Cart"), schedule="shop")
    trigger(engine, TARGETS["Doubtful"], passed("Find"), schedule="all")
    trigger(engine, TARGETS["Alone"], passed("Pay"))

    coverage = build_report(engine, week(), selection=CHECKOUT).coverage

    assert (coverage.due, coverage.fires["triggered"], coverage.fires["missed"]) == (2, 1, 1)


@pytest.mark.parametrize("target", [None, TARGETS["Named"]])
def test_when_no_check_fits_the_report_is_clear_and_empty(target: Target | None, engine: Engine) -> None:
    """Also where nothing is known of a request; as for a schedule that triggered nothing."""
    trigger(engine, target, passed("Login"))

    report = build_report(engine, week(), selection=CHECKOUT)

    assert (len(report.checks), report.coverage.sessions) == (0, 0)
    assert report.about == "checks tagged checkout"


def test_a_history_without_any_session_can_be_chosen_from(engine: Engine) -> None:
    assert build_report(engine, week(), selection=CHECKOUT).coverage.sessions == 0


def test_requests_are_read_when_tags_are_asked_for_and_not_otherwise(history: Engine) -> None:
    """One may name hundreds of checks."""
    assert load_history(history, week(), Selection(("prod",))).match_tags.empty
    assert len(load_history(history, week(), CHECKOUT).match_tags) == len(TARGETS)


@pytest.mark.parametrize(
    ("match_tags", "about"),
    [
        ((("checkout", "prod"),), "checks tagged checkout and prod"),
        ((("api", "!old", "!slow"), ("eu",)), "checks tagged api, not tagged old or slow; checks tagged eu"),
        ((("!old",),), "checks not tagged old"),
    ],
)
def test_tags_are_named_in_words(match_tags: tuple[tuple[str, ...], ...], about: str) -> None:
    """Between the schedules and the checks that are listed."""
    assert str(Selection(match_tags=match_tags)) == about
    everything = Selection(("prod",), ("an-id",), ("Login",), match_tags)
    assert str(everything) == f"checks of the schedule prod; {about}; Login; an-id"
