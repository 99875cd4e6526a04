"""The simulator over HTTP: who may call, what is started, shown, cancelled, listed and remembered."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from recorder.simulator.admission import RateLimits
from recorder.simulator.checkly import Settings
from recorder.simulator.scenarios import Kind, Scenario
from recorder.simulator.server import SimulatorServer
from tests.simulator_caller import Caller, Payload, SteppedClock, calling

OTHER_ACCOUNT = "00000000-0000-4000-8000-000000000002"
NOBODY = "8166fa86-c9b4-4162-8541-d380c6c212d8"
FAST = 100_000.0


@pytest.fixture(scope="module")
def sim() -> Iterator[SimulatorServer]:
    with SimulatorServer(seed=1, speed=FAST) as server:
        yield server


@pytest.fixture
def api(sim: SimulatorServer) -> Iterator[Caller]:
    with calling(sim) as caller:
        yield caller


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


@pytest.mark.parametrize(
    ("key", "status", "message"),
    [
        ("bad-key", 401, "Bad Token"),
        ("read-only", 403, "You don't have permission to perform this action."),
        ("no-plan", 402, "Your plan does not include this feature."),
    ],
)
def test_special_keys_are_refused_on_trigger_and_start_nothing(
    sim: SimulatorServer, key: str, status: int, message: str
) -> None:
    """Any other key that is not empty may trigger."""
    before = len(sim.witness().triggers)

    with calling(sim, key=key) as caller:
        assert refusal(caller.trigger(["smoke"])) == (status, message)

    assert len(sim.witness().triggers) == before


def test_a_read_only_key_may_read(sim: SimulatorServer, api: Caller) -> None:
    """403 belongs to the writing routes."""
    session = api.sessions(["smoke"])[0]

    with calling(sim, key="read-only") as caller:
        assert caller.complete(session["checkSessionId"]).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Basic x"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"X-Checkly-Account": "not-a-uuid"}, 400),
        ({"X-Checkly-Account": ""}, 400),
    ],
)
def test_a_request_without_credentials_or_account_is_refused(api: Caller, headers: dict[str, str], status: int) -> None:
    """Both headers are wanted on every request."""
    assert api.client.get("/v1/checks", headers=headers).status_code == status


def test_every_account_has_its_own_world_and_sees_only_its_own_sessions(sim: SimulatorServer, api: Caller) -> None:
    """A session of one account does not exist for another one."""
    session_id = api.sessions(["smoke"])[0]["checkSessionId"]

    with calling(sim, account_id=OTHER_ACCOUNT) as other:
        assert other.retrieve(session_id).status_code == 404
        assert other.sessions(["smoke"])[0]["checkId"] != sim.world.named("Storefront homepage").check_id


def test_accounts_may_be_restricted() -> None:
    """Then an unknown account is forbidden, not made up."""
    with SimulatorServer(settings=Settings(accounts=frozenset({OTHER_ACCOUNT})), account_id=OTHER_ACCOUNT) as sim:
        with calling(sim, account_id=OTHER_ACCOUNT.upper()) as caller:
            assert caller.client.get("/v1/checks").status_code == 200
        with calling(sim, account_id=NOBODY) as caller:
            assert caller.client.get("/v1/checks").status_code == 403


def test_a_filter_that_matches_nothing_is_a_404_with_the_documented_message(api: Caller) -> None:
    """The trigger's 404 means no match."""
    assert refusal(api.trigger(["no-such-tag"])) == (404, "No matching checks were found.")


@pytest.mark.parametrize("route", ["/v2/check-sessions/{id}", "/v2/check-sessions/{id}/completion"])
def test_an_unknown_session_is_a_404_and_a_malformed_id_a_400(api: Caller, route: str) -> None:
    """The reads' 404 means no such session."""
    assert refusal(api.client.get(route.format(id=NOBODY))) == (404, "No such check session.")
    assert api.client.get(route.format(id="7")).status_code == 400


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"[" * 100_000, b'{"target": {"matchTags": ["web"]}}'])
def test_a_malformed_v2_trigger_body_is_refused_and_starts_nothing(
    sim: SimulatorServer, api: Caller, body: bytes
) -> None:
    """A trigger body is a JSON object, whatever else arrives."""
    before = len(sim.witness().triggers)

    assert api.client.post("/v2/check-sessions/trigger", content=body).status_code == 400

    assert len(sim.witness().triggers) == before


def test_a_v1_trigger_without_a_body_runs_everything(sim: SimulatorServer, api: Caller) -> None:
    """The trap, and the witness remembers it."""
    answer = api.client.post("/v1/check-sessions/trigger")

    assert answer.status_code == 201
    assert len(answer.json()["sessions"]) == len(sim.world.eligible())
    assert sim.witness().triggers[-1].body is None


@pytest.mark.parametrize("seconds", ["0", "31", "1.5", "", "x", "-1"])
def test_max_wait_seconds_of_v2_is_an_integer_from_1_to_30(api: Caller, seconds: str) -> None:
    """Anything else is a 400."""
    session_id = api.sessions(["smoke"])[0]["checkSessionId"]

    answer = api.client.get(f"/v2/check-sessions/{session_id}/completion?maxWaitSeconds={seconds}")

    assert answer.status_code == 400


def test_completion_answers_as_soon_as_the_session_is_final() -> None:
    """A suite of minutes is over in a fraction of a second at high speed, with its simulated duration."""
    with SimulatorServer(speed=2_000) as sim, calling(sim) as api:
        session = api.sessions(["e2e"])[0]
        finished = api.complete(session["checkSessionId"], 30).json()

    assert session["stoppedAt"] is None
    assert finished["status"] == "PASSED"
    assert finished["timeElapsed"] > 60_000


def test_a_session_is_shown_as_far_as_its_clock_has_come() -> None:
    """While it runs `timeElapsed` grows, `stoppedAt` is null and results are partial."""
    clock = SteppedClock()
    with SimulatorServer(speed=10, now=clock.now, monotonic=clock.monotonic) as sim, calling(sim) as api:
        session_id = api.sessions(["search"])[0]["checkSessionId"]
        seen: list[Payload] = []
        for _ in range(5):
            seen.append(api.retrieve(session_id).json())
            clock.advance(1.0)

    elapsed = [one["timeElapsed"] for one in seen]
    assert elapsed[:4] == [0, 10_000, 20_000, 30_000]
    assert 30_000 < elapsed[4] < 40_000
    assert [one["status"] for one in seen] == ["STARTED", "PROGRESS", "PROGRESS", "PROGRESS", "PASSED"]
    assert [one["stoppedAt"] is None for one in seen] == [True, True, True, True, False]
    assert [len(one["results"]) for one in seen] == [0, 0, 0, 2, 3]
    assert {one["startedAt"] for one in seen} == {"2026-11-18T12:00:00.000Z"}


def test_the_same_requests_get_the_same_ids_and_outcomes_for_the_same_seed() -> None:
    """So a failing run can be played again."""

    def play(seed: int) -> list[Any]:
        clock = SteppedClock()
        with SimulatorServer(seed=seed, now=clock.now, monotonic=clock.monotonic) as sim, calling(sim) as api:
            sessions = [*api.sessions(["web"]), *api.sessions(["api"])]
            clock.advance(60)
            return [api.retrieve(session["checkSessionId"]).json() for session in sessions]

    first = play(seed=5)
    assert play(seed=5) == first
    assert play(seed=6) != first


def test_a_cancelled_playwright_suite_ends_at_once() -> None:
    """204 without a body; v1 calls the outcome TIMED_OUT."""
    with SimulatorServer(speed=1) as sim, calling(sim) as api, calling(sim, version="v1") as old:
        session_id = api.sessions(["e2e"])[0]["checkSessionId"]
        answer = api.client.post(f"/v1/check-sessions/{session_id}/cancel", json={})

        assert (answer.status_code, answer.content) == (204, b"")
        assert api.complete(session_id).json()["status"] == "CANCELLED"
        assert old.complete(session_id).json()["status"] == "TIMED_OUT"


def test_a_cancellation_wakes_whoever_waits_for_the_session() -> None:
    """The long poll does not sleep out its time."""
    with (
        SimulatorServer(speed=1) as sim,
        calling(sim) as api,
        calling(sim) as waiting,
        ThreadPoolExecutor(1) as pool,
    ):
        session_id = api.sessions(["e2e"])[0]["checkSessionId"]
        answer = pool.submit(waiting.complete, session_id, 15)
        while "completion" not in sim.witness().requests:
            api.retrieve(session_id)
        api.client.post(f"/v1/check-sessions/{session_id}/cancel", json={})

        assert answer.result(timeout=5).json()["status"] == "CANCELLED"


def test_other_checks_do_not_obey_a_cancellation() -> None:
    """Accepted and ignored, as documented."""
    with SimulatorServer(speed=1) as sim, calling(sim) as api:
        session_id = api.sessions(["search"])[0]["checkSessionId"]

        assert api.client.post(f"/v1/check-sessions/{session_id}/cancel", json={}).status_code == 204
        assert api.retrieve(session_id).json()["stoppedAt"] is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"sequenceId": []}', b'{"sequenceId": ["x"]}', b'{"all": true}'])
def test_a_malformed_cancellation_is_a_400(api: Caller, body: bytes) -> None:
    """The body is `{}` or names sequences."""
    session_id = api.sessions(["e2e"])[0]["checkSessionId"]

    assert api.client.post(f"/v1/check-sessions/{session_id}/cancel", content=body).status_code == 400


def test_an_outage_can_be_let_loose_on_the_next_sessions() -> None:
    """A test can make a check fail now."""
    with SimulatorServer(speed=FAST) as sim, calling(sim) as api:
        sim.add_scenario(Scenario("now", Kind.OUTAGE, "Payments API"))
        sessions = api.sessions(["checkout"])
        statuses = {s["name"]: api.complete(s["checkSessionId"]).json()["status"] for s in sessions}

    assert statuses == {"Checkout flow": "PASSED", "Payments API": "FAILED", "Cart API": "PASSED"}


def test_the_rate_limit_answers_429_with_a_retry_after_and_a_window_of_its_own_for_results() -> None:
    """Counted per account over a sliding window of real seconds."""
    clock = SteppedClock()
    settings = Settings(limits=RateLimits(requests=3, check_results=1))
    with SimulatorServer(settings=settings, now=clock.now, monotonic=clock.monotonic) as sim:
        results = f"/v2/check-results/{sim.world.checks[0].check_id}"
        with calling(sim) as api, calling(sim, account_id=OTHER_ACCOUNT) as other:
            statuses = [api.client.get("/v1/checks").status_code for _ in range(3)]
            clock.advance(20.5)
            limited = api.client.get("/v1/checks")

            assert statuses == [200, 200, 200]
            assert (limited.status_code, limited.headers["retry-after"]) == (429, "40")
            assert [api.client.get(results).status_code for _ in range(2)] == [200, 429]
            assert other.client.get("/v1/checks").status_code == 200
            clock.advance(39.5)
            assert api.client.get("/v1/checks").status_code == 200


def test_the_witness_logs_each_trigger_it_acted_on_without_the_key(sim: SimulatorServer) -> None:
    """What was asked, by whom and which sessions exist because of it."""
    with calling(sim, key="secret-key") as caller:
        sessions = caller.sessions(["smoke"])
        caller.trigger(["no-such-tag"])
        testimony = caller.client.get("/_sim/witness").json()

    record = testimony["triggers"][-1]
    assert record["sequence"] == len(testimony["triggers"])
    assert record["body"] == {"target": {"matchTags": [["smoke"]]}}
    assert record["check_session_ids"] == [session["checkSessionId"] for session in sessions]
    assert record["user_agent"].startswith("python-httpx/")
    assert "secret-key" not in str(testimony)


def test_the_witness_counts_requests_and_answers_by_route() -> None:
    """So that a bench can read the requests per session."""
    with SimulatorServer(speed=FAST) as sim, calling(sim) as api:
        session_id = api.sessions(["smoke"])[0]["checkSessionId"]
        api.complete(session_id)
        api.retrieve(session_id)
        api.trigger(["no-such-tag"])
        testimony = sim.witness()

    assert testimony.requests == {"trigger": 2, "completion": 1, "retrieve": 1}
    assert testimony.answers == {"trigger": {201: 1, 404: 1}, "completion": {200: 1}, "retrieve": {200: 1}}
