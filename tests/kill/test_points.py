"""Where the named points lie: what a daemon that dies there leaves, and what becomes of its due time."""

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recorder.simulator.faults import Fault, FaultKind
from tests.factories import rows
from tests.kill.campaign import STARTED, Campaign
from tests.kill.child import DIES
from tests.kill.invariants import fire_of
from tests.kill.points import POINTS
from tests.kill.stage import Stage, migrated_sqlite, stage
from tests.kill.zygote import Child, Zygote
from tests.processes import PATIENCE_S, wait_until

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ONE_SCHEDULE = {"steady": 'every = "2s"\noverlap = "allow"\nmisfire = "skip"'}
"""Far enough apart for one due time to come to its end before the next."""


@dataclass(frozen=True, slots=True)
class Left:
    """What lies there of one due time: its row, requests that Checkly acted on, spooled answers, its sessions."""

    fire: str = "none"
    posts: int = 0
    spooled: int = 0
    sessions: str = "none"


@dataclass(frozen=True, slots=True)
class Death:
    """One row of the table in docs/operations.md: `words` are the operator's for the point."""

    point: str
    words: str
    left: Left
    becomes: str


DEATHS = (
    Death("before_materialise_commit", "before the due time is a row", Left(), "triggered"),
    Death("after_materialise_commit", "as a row, nothing sent", Left("due"), "triggered"),
    Death("before_intent_commit", "before the intent is committed", Left("due"), "triggered"),
    Death("after_intent_commit", "between the intent and the request", Left("intent"), "ambiguous: owner_lost"),
    Death("after_post", "the answer is here, not yet in the spool", Left("intent", 1), "ambiguous: owner_lost"),
    Death("after_spool", "the answer is in the spool", Left("intent", 1, 1), "triggered"),
    Death("before_outcome_commit", "before the outcome is committed", Left("intent", 1, 1), "triggered"),
    Death("after_outcome_commit", "before the spool forgets", Left("triggered", 1, 1, "open"), "triggered"),
    Death("before_results_commit", "before results are committed", Left("triggered", 1, 0, "open"), "triggered"),
    Death("after_results_commit", "after results are committed", Left("triggered", 1, 0, "final"), "triggered"),
)
ON_ITS_WAY = Death("", "while the request was on its way", Left("intent", 1), "ambiguous: owner_lost")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, parent: Zygote) -> Iterator[Stage]:
    """One schedule in fine weather; each death finds a ledger in which everything has come to its end."""
    folder = tmp_path_factory.mktemp("points")
    with stage(folder, migrated_sqlite(folder), parent, seed=1, policies=ONE_SCHEDULE, weather={}) as made:
        yield made


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.point)
def test_a_daemon_dies_where_the_point_says_and_the_next_one_goes_on_from_there(scene: Stage, death: Death) -> None:
    known = newest_fire(scene)
    daemon = scene.start(kill_at=death.point)
    assert daemon.wait(PATIENCE_S)
    assert daemon.bury() == -signal.SIGKILL
    fire = last_words(daemon)["fire"] or first_since(scene, known)
    assert left_behind(scene, fire) == death.left

    assert outcome_after_restart(scene, fire, known) == death.becomes


def test_a_request_on_its_way_may_have_been_acted_on_and_is_not_repeated(scene: Stage) -> None:
    known, acted_on = newest_fire(scene), len(scene.checkly.witness().triggers)
    sent = scene.checkly.witness().requests.get("trigger", 0)
    scene.checkly.inject(Fault(kind=FaultKind.DELAY, route="trigger", seconds=1.5, count=None))
    daemon = scene.start()
    wait_until(lambda: scene.checkly.witness().requests.get("trigger", 0) > sent, "a request on its way")
    assert not daemon.wait(0.2)  # until all of it is there
    daemon.kill()
    scene.checkly.clear_faults()
    wait_until(lambda: len(scene.checkly.witness().triggers) > acted_on, "the witness to act on it")
    fire = fire_of(scene.checkly.witness().triggers[acted_on])
    assert left_behind(scene, fire) == ON_ITS_WAY.left

    assert outcome_after_restart(scene, fire, known) == ON_ITS_WAY.becomes


def test_the_operators_table_says_what_was_seen() -> None:
    section = OPERATIONS.read_text().partition("\n## What becomes of a due time\n")[2].partition("\n## ")[0]
    table = [re.split(r" *\| *", line)[1:-1] for line in section.splitlines() if line.startswith("| ")]

    seen = [[one.words, *in_words(one.left), one.becomes] for one in (*DEATHS[:4], ON_ITS_WAY, *DEATHS[4:])]
    assert [death.point for death in DEATHS] == list(POINTS)
    assert [[cell.replace("`", "") for cell in row[:-1]] for row in table[1:]] == [row[:-1] for row in seen]
    assert [row[-1].replace("`", "").split(",")[0] for row in table[1:]] == [row[-1] for row in seen]


def in_words(left: Left) -> tuple[str, str]:
    """The columns "on disk" and "requests" of the operators' table."""
    parts = [] if left.fire == "none" else [left.fire]
    parts += ["spooled answer"] if left.spooled else []
    parts += [f"{left.sessions} sessions"] if left.sessions != "none" else []
    return ", ".join(parts) or "nothing", str(left.posts)


def newest_fire(scene: Stage) -> int:
    return int(rows(scene.engine, "SELECT COALESCE(MAX(pk), 0) FROM fires")[0][0])


def last_words(daemon: Child) -> dict[str, Any]:
    """Where a daemon died, and for which fire; None when the point is not about one fire alone."""
    assert daemon.log is not None
    words: dict[str, Any] = json.loads(daemon.log.read_text().splitlines()[-1])
    assert words["event"] == DIES
    return words


def first_since(scene: Stage, known: int) -> int | None:
    """The first due time that became a row after `known`, and of those the one that has come furthest."""
    found = rows(
        scene.engine,
        "SELECT fires.pk FROM fires LEFT JOIN check_sessions ON fire_pk = fires.pk "
        "WHERE fires.pk > :known AND reason IS NOT 'paused' ORDER BY final_at IS NULL, fires.pk LIMIT 1",
        known=known,
    )
    return found[0][0] if found else None


def left_behind(scene: Stage, fire: int | None) -> Left:
    if fire is None:
        return Left()
    ((state,),) = rows(scene.engine, "SELECT state FROM fires WHERE pk = :fire", fire=fire)
    sessions = rows(scene.engine, "SELECT final_at FROM check_sessions WHERE fire_pk = :fire", fire=fire)
    ends = {"final" if final_at else "open" for (final_at,) in sessions} or {"none"}
    posts = sum(fire_of(record) == fire for record in scene.checkly.witness().triggers)
    return Left(state, posts, len(list(scene.spool.glob(f"fire-{fire}-*.json"))), ends.pop())


def outcome_after_restart(scene: Stage, fire: int | None, known: int) -> str:
    """What the next daemon makes of this due time, or of the first after `known`; then all eight invariants hold."""
    daemon = scene.start()
    wait_until(
        lambda: daemon.has_logged(STARTED) and settled(scene, fire or first_since(scene, known)) is not None,
        "the due time to come to its end",
    )
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(PATIENCE_S)
    assert daemon.bury() == 0
    outcome = settled(scene, fire or first_since(scene, known))
    campaign = Campaign(scene)
    campaign.drain()
    assert campaign.judge() == []
    return outcome or "open"


def settled(scene: Stage, fire: int | None) -> str | None:
    """How a fire has ended, with the reason; None while it has not."""
    ended = "SELECT state, reason FROM fires WHERE pk = :fire AND state NOT IN ('due', 'intent')"
    for state, reason in rows(scene.engine, ended, fire=fire):
        return str(state) if reason is None else f"{state}: {reason}"
    return None
