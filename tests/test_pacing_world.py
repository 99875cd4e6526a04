"""Thousands of sessions on a simulated clock: the budget holds, nobody starves, whatever servers and clocks do."""

import random
from collections.abc import Callable
from math import log

import pytest

from recorder.checkly import COMPLETION_GRACE_S
from recorder.errors import TryLater
from tests.pacing_world import (
    Asked,
    Behaviour,
    Run,
    World,
    always_408,
    at_once,
    forgetful,
    honest,
    mean_lag_s,
    outcomes,
    requests_per_session,
)

ALLOWED_PER_MINUTE = 540
SPREAD = 0.25


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a world that can be made again


def lognormal(rng: random.Random, median_s: float) -> float:
    return rng.lognormvariate(log(median_s), SPREAD)


def run_mix(world: World, medians_s: tuple[float, ...], *, rounds: int, seed: int) -> list[Run]:
    """Every check once a round, four a second, 20 rounds to learn from and as many to count; the runs that count."""
    rng = seeded(seed)
    taught = 0
    for number in range(rounds):
        if number == 20:
            taught = len(world.runs)
        for check, median_s in enumerate(medians_s):
            world.start(f"check {check}", lognormal(rng, median_s))
            world.pass_time(0.25)
        world.drain()
    return world.runs[taught:]


def test_after_twenty_runs_a_session_costs_hardly_more_than_one_request() -> None:
    """60/30/10 of checks that take 3, 25 and 180 s, lognormal with a spread of 0.25: 2,000 sessions after learning."""
    world = World()

    runs = run_mix(world, (3.0,) * 60 + (25.0,) * 30 + (180.0,) * 10, rounds=40, seed=1)

    assert len(runs) == 2000
    assert requests_per_session(runs) <= 1.25
    assert mean_lag_s(runs) <= 0.5


def test_checks_under_twenty_seconds_cost_one_request() -> None:
    world = World()

    runs = run_mix(world, tuple(1.0 + 9 * share / 99 for share in range(100)), rounds=30, seed=2)

    assert max(run.ends_at - run.began_at for run in runs) < 25
    assert requests_per_session(runs) <= 1.05


def test_a_connection_that_dies_silently_is_noticed_soon_by_a_check_that_is_short() -> None:
    """The wait is fitted to what is left to expect: nobody waits half a minute for a check of three seconds."""

    def dies(run: Run, at: float, wait_s: int) -> Asked:
        if len(world.runs) > 20 and len(run.asked_at) == 1:
            return at + wait_s + COMPLETION_GRACE_S, TryLater("", reason="read_timeout")
        return honest(run, at, wait_s)

    world, rng = World(server=dies), seeded(9)
    for _ in range(20):
        run_one(world, lognormal(rng, 3.0))

    run = world.start("one", lognormal(rng, 3.0))
    world.drain()

    assert len(run.asked_at) == 2
    assert run.lag_s <= 30


def test_an_unknown_check_is_learned_within_a_few_runs() -> None:
    world = World()
    costs = [run_one(world, 180.0) for _ in range(5)]

    assert costs[0] >= 6
    assert costs[-1] <= 3


def run_one(world: World, duration_s: float) -> int:
    """How many requests one session costs."""
    run = world.start("one", duration_s)
    world.drain()
    return len(run.asked_at)


@pytest.mark.parametrize(("before_s", "after_s"), [(20.0, 200.0), (200.0, 20.0)], ids=["slower", "faster"])
def test_a_tenfold_change_overnight_is_learned_in_three_runs(before_s: float, after_s: float) -> None:
    """Before that a slower check costs requests and a faster one is seen late; nothing is lost."""
    world, rng = World(), seeded(3)
    for _ in range(20):
        run_one(world, lognormal(rng, before_s))
    for _ in range(3):
        run_one(world, lognormal(rng, after_s))

    runs = [world.start("one", lognormal(rng, after_s))]
    world.drain()

    assert len(runs[0].asked_at) <= 6
    assert runs[0].lag_s <= 0.3 * after_s
    assert outcomes(world.runs) == {True: 24}


def test_under_pressure_lag_grows_and_the_rate_does_not() -> None:
    """5,000 sessions at once, on 540 requests a minute: nine minutes of work and a little."""
    world, rng = World(), seeded(4)
    for number in range(5000):
        world.start(f"check {number % 100}", lognormal(rng, (3.0, 25.0, 180.0)[number % 3]))

    world.drain()

    assert outcomes(world.runs) == {True: 5000}
    assert world.busiest_minute() <= ALLOWED_PER_MINUTE
    assert requests_per_session(world.runs) <= 1.3
    assert world.at <= 60 * 5000 * 1.3 / 540 + 60


def test_under_pressure_whoever_is_expected_first_is_asked_first() -> None:
    """Of those that are due: so nobody who waits is overtaken by a newcomer for ever."""
    world, rng = World(per_minute=60), seeded(5)
    expected: dict[float, list[Run]] = {}
    for number in range(600):
        world.start(f"check {number}", rng.uniform(1, 20))
        world.pass_time(0.5)
    world.drain()

    for run in world.runs:
        expected.setdefault(run.asked_at[0], []).append(run)
    firsts = [run for at in sorted(expected) for run in expected[at]]
    late = [run for run in firsts if run.asked_at[0] > run.began_at + 30]
    assert len(late) > 300
    assert late == sorted(late, key=lambda run: run.began_at)


def test_sessions_that_never_end_starve_nobody() -> None:
    """400 of them could keep a budget of 540 busy for ever; after four minutes they get what the others leave."""
    world, rng = World(), seeded(6)
    hung = [world.start(f"hung {number}", timeout_s=1800) for number in range(400)]
    healthy: list[Run] = []
    for _ in range(600):
        healthy += [world.start(f"check {number}", lognormal(rng, 5.0)) for number in range(5)]
        world.pass_time(1)
    world.drain()

    assert outcomes(healthy) == {True: 3000}
    assert mean_lag_s([run for run in healthy if run.began_at > 240]) <= 0.5
    assert max(run.lag_s for run in healthy) <= 60
    assert outcomes(hung) == {"timeout": 400}
    assert world.busiest_minute() <= ALLOWED_PER_MINUTE


@pytest.mark.parametrize(
    ("server", "end"),
    [(always_408, "timeout"), (at_once, True), (forgetful, "gone"), (honest, True)],
    ids=["always 408", "at once", "forgets", "honest"],
)
def test_whatever_the_server_does_the_budget_holds_and_everything_ends(server: Behaviour, end: object) -> None:
    world, rng = World(server=server), seeded(7)
    for number in range(2000):
        world.start(f"check {number % 50}", lognormal(rng, 25.0), timeout_s=600)

    world.drain()

    assert outcomes(world.runs) == {end: 2000}
    assert world.busiest_minute() <= ALLOWED_PER_MINUTE


def test_a_server_that_holds_no_answer_is_not_asked_several_times_a_second() -> None:
    world = World(server=always_408)
    run = world.start("one", timeout_s=600)

    world.drain()

    assert outcomes([run]) == {"timeout": 1}
    assert len(run.asked_at) <= 80


@pytest.mark.parametrize(
    "clock_error_s",
    [lambda _: 300.0, lambda _: -300.0, lambda at: -120.0 if at > 60 else 0.0, lambda at: 600.0 if at > 60 else 0.0],
    ids=["ahead", "behind", "set back on the way", "set forward on the way"],
)
def test_clocks_that_disagree_by_minutes_teach_nothing_wrong(clock_error_s: Callable[[float], float]) -> None:
    """What is learned are Checkly's own durations; what the wrong clock delays is asked for all the same."""
    world, rng = World(clock_error_s=clock_error_s), seeded(8)
    for _ in range(30):
        for number in range(40):
            world.start(f"check {number}", lognormal(rng, 10.0))
        world.pass_time(20)
    world.drain()

    assert outcomes(world.runs) == {True: 1200}
    assert world.busiest_minute() <= ALLOWED_PER_MINUTE
    assert all(5 < world.expectation(f"check {number}").middle_s < 15 for number in range(40))
