"""Every answer of the simulator against the documented schemas: all endpoints, both versions, all states."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

import httpx
import pytest

from recorder.simulator.admission import RateLimits
from recorder.simulator.checkly import Settings
from recorder.simulator.scenarios import Kind, Scenario
from recorder.simulator.server import SimulatorServer
from tests.contract import ANSWERS, CHECK_RESULT, CHECK_RESULT_PAGE, Schema, error_schema, problems
from tests.simulator_caller import Caller, SteppedClock, calling

Version = Literal["v1", "v2"]
VERSIONS: tuple[Version, ...] = ("v1", "v2")
NOBODY = "8166fa86-c9b4-4162-8541-d380c6c212d8"
UNLIMITED = RateLimits(requests=10**6, check_results=10**6)
RUNNING = {"STARTED", "PROGRESS", "PROGRESS_FAILED", "PROGRESS_DEGRADED"}
FINAL = {"PASSED", "FAILED", "DEGRADED"}
TROUBLE = (
    Scenario("outage", Kind.OUTAGE, "Payments API"),
    Scenario("degraded", Kind.DEGRADED, "Product catalogue API", strength=1.5),
)


@pytest.fixture(scope="module")
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture(scope="module")
def sim(clock: SteppedClock) -> Iterator[SimulatorServer]:
    settings = Settings(limits=UNLIMITED, scenarios=TROUBLE)
    with SimulatorServer(speed=1, settings=settings, now=clock.now, monotonic=clock.monotonic) as server:
        yield server


@pytest.fixture(params=VERSIONS)
def api(request: pytest.FixtureRequest, sim: SimulatorServer) -> Iterator[Caller]:
    with calling(sim, version=request.param) as caller:
        yield caller


def schema_of(api: Caller, answer: str) -> Schema:
    return ANSWERS[api.root[1:3]][answer]


def test_a_session_fits_the_contract_in_every_state_of_its_life(clock: SteppedClock, api: Caller) -> None:
    """Trigger, then retrieve at every half second while it runs, then completion: every status is met."""
    triggered = api.trigger()
    assert problems(triggered.json(), schema_of(api, "trigger")) == []
    statuses = {session["checkSessionId"]: session["status"] for session in triggered.json()["sessions"]}

    seen = set(statuses.values())
    for _ in range(60):
        for session_id in [one for one, status in statuses.items() if status in RUNNING]:
            payload = api.retrieve(session_id).json()
            assert problems(payload, schema_of(api, "retrieve")) == []
            statuses[session_id] = payload["status"]
        seen |= set(statuses.values())
        clock.advance(0.5)
    clock.advance(600)
    for session_id in statuses:
        payload = api.complete(session_id).json()
        assert problems(payload, schema_of(api, "completion")) == []

    assert seen == RUNNING | FINAL


def test_a_cancelled_session_fits_the_contract(api: Caller) -> None:
    """Its results too."""
    session_id = api.sessions(["e2e"])[0]["checkSessionId"]
    cancelled = api.client.post(f"/v1/check-sessions/{session_id}/cancel", json={})

    assert (cancelled.status_code, cancelled.content) == (204, b"")
    assert problems(api.complete(session_id).json(), schema_of(api, "completion")) == []
    assert problems(api.retrieve(session_id).json(), schema_of(api, "retrieve")) == []


def test_a_session_that_is_still_running_after_the_wait_is_a_408(api: Caller) -> None:
    """v1 says when to come back."""
    session_id = api.sessions(["e2e"])[0]["checkSessionId"]

    answer = api.complete(session_id, 1)

    assert answer.status_code == 408
    assert problems(answer.json(), error_schema(api.root[1:3], 408)) == []
    assert answer.headers.get("retry-after") == ("1" if api.root.startswith("/v1") else None)


def session_calls(version: Version) -> dict[str, tuple[str, str]]:
    root = f"/{version}/check-sessions"
    calls = {
        "trigger": ("POST", f"{root}/trigger"),
        "retrieve": ("GET", f"{root}/{NOBODY}"),
        "completion": ("GET", f"{root}/{NOBODY}/completion"),
    }
    return calls | ({"cancel": ("POST", f"{root}/{NOBODY}/cancel")} if version == "v1" else {})


def result_calls(sim: SimulatorServer) -> dict[str, tuple[str, str]]:
    check_id = sim.world.checks[0].check_id
    return {
        "check_results": ("GET", f"/v2/check-results/{check_id}"),
        "check_result": ("GET", f"/v1/check-results/{check_id}/{NOBODY}"),
    }


def assert_refused(answer: httpx.Response, version: str, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert problems(answer.json(), error_schema(version, status)) == []
    assert answer.json()["statusCode"] == status


def call(caller: Caller, method: str, path: str, **more: Any) -> httpx.Response:
    return caller.client.request(method, path, **({"json": {}} if method == "POST" else {}) | more)


@pytest.mark.parametrize("version", VERSIONS)
def test_unauthorized_requests_fit_the_contract_on_every_endpoint(sim: SimulatorServer, version: Version) -> None:
    """401 with a refused key and without one."""
    with calling(sim, key="bad-key") as caller:
        for method, path in [*session_calls(version).values(), *result_calls(sim).values()]:
            for headers in ({}, {"Authorization": ""}):
                assert_refused(call(caller, method, path, headers=headers), version, 401)


@pytest.mark.parametrize(("version", "key"), list(product(VERSIONS, ["no-plan", "read-only"])))
def test_refused_triggers_fit_the_contract(sim: SimulatorServer, version: Version, key: str) -> None:
    """402 for the plan, 403 for the role."""
    with calling(sim, key=key, version=version) as caller:
        assert_refused(caller.trigger(["web"]), version, {"no-plan": 402, "read-only": 403}[key])


def test_a_refused_cancellation_fits_the_contract(sim: SimulatorServer) -> None:
    """403 and 400; cancel documents the shape with all three fields."""
    with calling(sim, key="read-only") as caller:
        assert_refused(call(caller, *session_calls("v1")["cancel"]), "v2", 403)
    with calling(sim) as caller:
        session_id = caller.sessions(["e2e"])[0]["checkSessionId"]
        path = f"/v1/check-sessions/{session_id}/cancel"
        assert_refused(call(caller, "POST", path, json={"sequenceId": []}), "v2", 400)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_foreign_account_fits_the_contract_on_every_endpoint(version: Version) -> None:
    """403 when accounts are restricted."""
    with (
        SimulatorServer(settings=Settings(accounts=frozenset({NOBODY}), limits=UNLIMITED)) as sim,
        calling(sim) as caller,
    ):
        for method, path in session_calls(version).values():
            assert_refused(call(caller, method, path), version, 403)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_does_not_exist_fits_the_contract_on_every_endpoint(sim: SimulatorServer, version: Version) -> None:
    """404: no match on trigger, no such session elsewhere."""
    with calling(sim, version=version) as caller:
        assert_refused(caller.trigger(["no-such-tag"]), version, 404)
        for name, (method, path) in session_calls(version).items():
            if name != "trigger":
                assert_refused(call(caller, method, path), version, 404)
        assert_refused(call(caller, *result_calls(sim)["check_result"]), version, 404)


def test_malformed_requests_fit_the_contract(sim: SimulatorServer) -> None:
    """400 on every v2 endpoint."""
    with calling(sim) as caller:
        session_id = caller.sessions(["smoke"])[0]["checkSessionId"]
        calls: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/v2/check-sessions/trigger", {"content": b"{"}),
            ("POST", "/v2/check-sessions/trigger", {"json": {"target": {"matchTags": ["web"]}}}),
            ("GET", "/v2/check-sessions/not-a-uuid", {}),
            ("GET", "/v2/check-sessions/not-a-uuid/completion", {}),
            ("GET", f"/v2/check-sessions/{session_id}/completion?maxWaitSeconds=31", {}),
            ("GET", "/v2/check-results/not-a-uuid", {}),
            ("GET", f"/v1/check-results/{sim.world.checks[0].check_id}/not-a-uuid", {}),
        ]
        for method, path, more in calls:
            assert_refused(caller.client.request(method, path, **more), "v2", 400)


@pytest.mark.parametrize("version", VERSIONS)
def test_too_many_requests_fit_the_contract_on_every_endpoint(version: Version) -> None:
    """429 with a Retry-After."""
    limits = RateLimits(requests=0, check_results=0)
    with SimulatorServer(settings=Settings(limits=limits)) as sim, calling(sim) as caller:
        for method, path in [*session_calls(version).values(), *result_calls(sim).values()]:
            answer = call(caller, method, path)
            assert_refused(answer, version, 429)
            assert int(answer.headers["retry-after"]) >= 1


def test_check_results_fit_the_contract(sim: SimulatorServer, clock: SteppedClock) -> None:
    """Listed, projected and one by one, for every type of check."""
    with calling(sim) as caller:
        caller.sessions()
        clock.advance(600)
        for check in sim.world.checks:
            page = caller.client.get(f"/v2/check-results/{check.check_id}?resultType=ALL").json()
            assert problems(page, CHECK_RESULT_PAGE) == []
            projected = caller.client.get(f"/v2/check-results/{check.check_id}?fields=id,runLocation,attempts").json()
            assert problems(projected, CHECK_RESULT_PAGE) == []
            for entry in page["entries"][:2]:
                full = caller.client.get(f"/v1/check-results/{check.check_id}/{entry['id']}").json()
                assert problems(full, CHECK_RESULT) == []


def test_the_schemas_notice_a_missing_an_unknown_and_a_wrong_field(sim: SimulatorServer) -> None:
    """A judge that accepts everything would prove nothing."""
    with calling(sim) as caller:
        good = caller.trigger(["smoke"]).json()
    session = good["sessions"][0]
    spoilt = [
        {name: value for name, value in session.items() if name != "runSource"},
        session | {"surprise": 1},
        session | {"status": "RUNNING"},
        session | {"startedAt": "2026-11-18T12:00:00Z"},
        session | {"timeElapsed": None},
    ]

    assert problems(good, ANSWERS["v2"]["trigger"]) == []
    assert [len(problems({"sessions": [one]}, ANSWERS["v2"]["trigger"])) for one in spoilt] == [1] * 5
