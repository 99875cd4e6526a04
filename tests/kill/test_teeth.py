"""The harness has teeth: each careless variant of the recorder is caught by the invariant that is there for it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recorder.clock import monotonic
from recorder.simulator.faults import Fault, FaultKind
from tests.kill.campaign import Campaign
from tests.kill.child import WriterOrder
from tests.kill.invariants import Violation
from tests.kill.stage import SCHEDULES, stage
from tests.kill.zygote import Zygote, wait_for_any

WITHIN_S = 60.0
"""How long a hunt may take where it has a core to itself; beside other work it is given as much more."""
HUNT_DRAIN_S = 20.0
"""What a careless recorder has left may never come to its end."""


@dataclass(frozen=True)
class Hunt:
    """Where a mutant is looked for: what kills it, in which weather; and the number of the promise that it breaks.

    It dies at points only: a busy machine gives it as long as it needs to get there.
    """

    mutant: str
    points: tuple[str, ...]
    caught_by: int
    weather: Mapping[str, Fault] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=lambda: SCHEDULES)


PATIENT = {"plain": SCHEDULES["plain"]}
"""The others skip what is late or overlaps, so they might not send again what was put back."""
HUNTS = (
    Hunt(
        "resend_after_reset",
        ("after_results_commit",),
        2,
        {"resets": Fault(kind=FaultKind.RESET_AFTER, route="trigger", count=3)},
    ),
    Hunt("requeue_expired_intent", ("after_post",), 2, policies=PATIENT),
    Hunt("commit_after_post", ("after_post",), 2),
    Hunt("final_without_cas", ("after_outcome_commit", "after_results_commit"), 5),
)


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    began = monotonic()
    yield
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert monotonic() - began < WITHIN_S * crowd


@pytest.mark.parametrize("hunt", HUNTS, ids=lambda hunt: hunt.mutant)
def test_a_careless_recorder_is_caught(tmp_path: Path, sqlite_url: str, parent: Zygote, hunt: Hunt) -> None:
    with stage(
        tmp_path, sqlite_url, parent, seed=3, policies=hunt.policies, weather=hunt.weather, mutant=hunt.mutant
    ) as scene:
        campaign = Campaign(scene, points=hunt.points)

        campaign.run(5)
        campaign.drain(HUNT_DRAIN_S)

        assert hunt.caught_by in {violation.number for violation in campaign.judge()}


def test_a_transaction_that_begins_as_a_reader_is_caught(tmp_path: Path, sqlite_url: str, parent: Zygote) -> None:
    """Beside a second writer it fails at once, whatever the busy timeout."""
    found = beside_another_writer(tmp_path, sqlite_url, parent, mutant="deferred_begin", for_s=WITHIN_S / 2)

    assert [violation for violation in found if violation.number == 7 and "another writer" in violation.text]


def test_a_recorder_beside_another_writer_waits_and_fails_nothing(
    tmp_path: Path, sqlite_url: str, parent: Zygote
) -> None:
    """The same hunt without the mutant: what is caught above is the mutant and not the writer."""
    assert beside_another_writer(tmp_path, sqlite_url, parent, mutant=None, for_s=6.0) == []


def beside_another_writer(
    folder: Path, url: str, parent: Zygote, *, mutant: str | None, for_s: float
) -> list[Violation]:
    """What is wrong after some seconds of work beside a process that never rests, or as soon as anything is."""
    with stage(folder, url, parent, seed=3, weather={}, mutant=mutant) as scene:
        campaign = Campaign(scene)
        writer = parent.start_writer(WriterOrder(str(folder / "history.db")))
        daemon = scene.start()
        give_up_at = monotonic() + for_s
        while monotonic() < give_up_at and not campaign.busy_failures():
            wait_for_any([daemon, writer], 0.5)
        daemon.kill()
        writer.kill()
        campaign.drain()
        return campaign.judge()
