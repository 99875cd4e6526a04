"""Several daemons on one database must have been told the same; what one of them holds alone it may change."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from recorder import roster
from recorder.db import transact
from recorder.enrolling import enrol_together
from recorder.errors import ConfigError
from recorder.schedule_store import Definition
from tests.factories import NOW, rows

ONE = {"prod": Definition('{"every":"10m"}')}
OTHER = {"prod": Definition('{"every":"5m"}')}


def start(engine: Engine, definitions: dict[str, Definition], *, later: timedelta = timedelta(0)) -> UUID:
    """A daemon enrols and signs in; its owner id."""
    owner, now = uuid4(), NOW + later

    def work(db: object) -> None:
        enrol_together(db, definitions, owner=owner, now=now)  # type: ignore[arg-type]
        roster.sign_in(db, owner=owner, host="here", pid=4711, now=now)  # type: ignore[arg-type]

    transact(engine, work)
    return owner


def test_a_daemon_that_was_told_the_same_joins(engine: Engine) -> None:
    start(engine, ONE)

    start(engine, ONE)

    assert rows(engine, "SELECT COUNT(*) FROM daemons") == [(2,)]


@pytest.mark.parametrize(
    ("definitions", "says"),
    [(OTHER, "defined otherwise"), ({}, "missing here"), (ONE | {"more": Definition("{}")}, "not known")],
)
def test_a_daemon_that_was_told_otherwise_is_refused_and_changes_nothing(
    engine: Engine, definitions: dict[str, Definition], says: str
) -> None:
    start(engine, ONE)

    with pytest.raises(ConfigError, match=says) as refused:
        start(engine, definitions)

    assert "pid 4711 on here" in str(refused.value)
    assert rows(engine, "SELECT name, definition, removed_at FROM schedules") == [("prod", '{"every":"10m"}', None)]


def test_a_daemon_alone_may_change_everything(engine: Engine) -> None:
    """Also when the one before it died without signing out: it has been silent for a minute."""
    first = start(engine, ONE)
    transact(engine, lambda db: roster.sign_out(db, owner=first, now=NOW))
    start(engine, OTHER)

    start(engine, {}, later=timedelta(seconds=61))

    assert rows(engine, "SELECT definition, COUNT(removed_at) FROM schedules GROUP BY 1") == [('{"every":"5m"}', 1)]


def test_a_daemon_that_is_seen_keeps_its_say(engine: Engine) -> None:
    first = start(engine, ONE)
    transact(engine, lambda db: roster.beat(db, owner=first, now=NOW + timedelta(seconds=50)))

    with pytest.raises(ConfigError):
        start(engine, OTHER, later=timedelta(seconds=100))


@pytest.mark.parametrize("round_", range(6))
def test_daemons_that_start_at_the_same_moment_agree(engine: Engine, round_: int) -> None:
    """Of those that were told the same all join; of two that were told differently one is refused, whichever."""
    told = [ONE, ONE, ONE] if round_ % 2 else [ONE, OTHER]
    together = Barrier(len(told))

    def begin(definitions: dict[str, Definition]) -> bool:
        together.wait()
        try:
            start(engine, definitions)
        except ConfigError:
            return False
        return True

    with ThreadPoolExecutor(len(told)) as threads:
        joined = list(threads.map(begin, told))

    assert sum(joined) == (3 if round_ % 2 else 1)
    [(definition,)] = rows(engine, "SELECT definition FROM schedules")
    assert definition == next(one for one, is_in in zip(told, joined, strict=True) if is_in)["prod"].text
