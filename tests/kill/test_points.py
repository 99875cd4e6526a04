"""Where the named points lie: what a daemon that dies there leaves, and what becomes of its due time."""

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from recorder.simulator.faults import Fault, FaultKind
from tests.factories import rows
from tests.kill.campaign import STARTED, Campaign
from tests.kill.invariants import fire_of
from tests.kill.points import POINTS
from tests.kill.stage import Stage, migrated_sqlite, stage
from tests.kill.zygote import Zygote
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
    assert left_behind(scene, known) == death.left

    assert outcome_after_restart(scene, known) == death.becomes


def test_a_request_on_its_way_may_have_been_acted_on_and_is_not_repeated(scene: Stage) -> None:
    known, acted_on = newest_fire(scene), len(scene.checkly.witness().triggers)
    sent = scene.checkly.witness().requests.get("trigger", 0)
    scene.checkly.inject(Fault(kind=FaultKind.DELAY, route="trigger", seconds=0.5))
    daemon = scene.start()
    wait_until(lambda: scene.checkly.witness().requests.get("trigger", 0) > sent, "a request on its way")
    daemon.kill()
    wait_until(lambda: len(scene.checkly.witness().triggers) > acted_on, "the witness to act on it")
    assert left_behind(scene, known) == ON_ITS_WAY.left

    assert outcome_after_restart(scene, known) == ON_ITS_WAY.becomes


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


def first_since(scene: Stage, known: int) -> int | None:
    """The first due time that became a row after `known`."""
    found = rows(scene.engine, "SELECT MIN(pk) FROM fires WHERE pk > :known AND reason IS NOT 'paused'", known=known)
    return found[0][0] if found else None


def left_behind(scene: Stage, known: int) -> Left:
    fire = first_since(scene, known)
    if fire is None:
        return Left()
    ((state,),) = rows(scene.engine, "SELECT state FROM fires WHERE pk = :fire", fire=fire)
    sessions = rows(scene.engine, "SELECT final_at FROM check_sessions WHERE fire_pk = :fire", fire=fire)
    ends = {"final" if final_at else "open" for (final_at,) in sessions} or {"none"}
    posts = sum(fire_of(record) == fire for record in scene.checkly.witness().triggers)
    return Left(state, posts, len(list(scene.spool.glob(f"fire-{fire}.json"))), ends.pop())


def outcome_after_restart(scene: Stage, known: int) -> str:
    """What the next daemon makes of it, after which all eight invariants hold."""
    daemon = scene.start()
    wait_until(
        lambda: daemon.has_logged(STARTED) and settled(scene, known) is not None, "the due time to come to its end"
    )
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(PATIENCE_S)
    assert daemon.bury() == 0
    campaign = Campaign(scene)
    campaign.drain()
    assert campaign.judge() == []
    return settled(scene, known) or "open"


def settled(scene: Stage, known: int) -> str | None:
    fire = first_since(scene, known)
    ((state, reason),) = rows(scene.engine, "SELECT state, reason FROM fires WHERE pk = :fire", fire=fire) or [
        ("due", None)
    ]
    return None if state in {"due", "intent"} else state if reason is None else f"{state}: {reason}"
