"""Each fault as a client sees it, and what the simulator did behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from recorder.simulator.faults import Fault, FaultKind, FaultQueue
from recorder.simulator.server import SimulatorServer
from tests.simulator_caller import Caller, calling


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorServer]:
    with SimulatorServer(speed=100_000) as server:
        yield server


@pytest.fixture
def sim(running: SimulatorServer) -> Iterator[SimulatorServer]:
    yield running
    running.clear_faults()


@pytest.fixture
def api(sim: SimulatorServer) -> Iterator[Caller]:
    with calling(sim) as caller:
        yield caller


def triggers_acted_on(sim: SimulatorServer) -> int:
    return len(sim.witness().triggers)


@pytest.mark.parametrize(("kind", "acted"), [(FaultKind.RESET_BEFORE, 0), (FaultKind.RESET_AFTER, 1)])
def test_a_reset_is_a_reset_of_the_tcp_connection(
    sim: SimulatorServer, api: Caller, kind: FaultKind, acted: int
) -> None:
    """A client cannot tell whether the trigger was acted on; the witness can."""
    before = triggers_acted_on(sim)
    sim.inject(Fault(kind=kind, route="trigger"))

    with pytest.raises(httpx.ReadError, match="reset by peer"):
        api.trigger(["smoke"])

    assert triggers_acted_on(sim) - before == acted
    assert api.trigger(["smoke"]).status_code == 201


def test_a_truncated_body_ends_before_its_declared_length(sim: SimulatorServer, api: Caller) -> None:
    """The status line said 201 and the sessions exist."""
    before = triggers_acted_on(sim)
    sim.inject(Fault(kind=FaultKind.TRUNCATE, route="trigger"))

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        api.trigger(["smoke"])

    assert triggers_acted_on(sim) - before == 1


def test_a_truncated_body_without_a_length_looks_complete(sim: SimulatorServer, api: Caller) -> None:
    """Only the JSON tells."""
    sim.inject(Fault(kind=FaultKind.TRUNCATE, route="trigger", has_length=False))

    answer = api.trigger(["smoke"])

    assert answer.status_code == 201
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_slow_body_trickles_past_a_per_read_timeout(sim: SimulatorServer, api: Caller) -> None:
    """Byte by byte, each in time; the whole is slow."""
    sim.inject(Fault(kind=FaultKind.SLOW_BODY, route="checks", seconds=0.001))

    with api.client.stream("GET", "/v1/checks?limit=1", timeout=0.5) as answer:
        pieces = list(answer.iter_raw())

    assert len(pieces) > 100
    assert len(json.loads(b"".join(pieces))) == 1


def test_a_delay_outlasts_an_impatient_client_and_acts_all_the_same(sim: SimulatorServer, api: Caller) -> None:
    """A read timeout proves nothing."""
    before = triggers_acted_on(sim)
    sim.inject(Fault(kind=FaultKind.DELAY, route="trigger", seconds=0.3))

    with pytest.raises(httpx.ReadTimeout):
        api.client.post("/v2/check-sessions/trigger", json={"target": {"matchTags": [["smoke"]]}}, timeout=0.05)
    sim.inject(Fault(kind=FaultKind.DELAY, route="checks", seconds=0.5))
    api.client.get("/v1/checks")

    assert triggers_acted_on(sim) - before == 1


@pytest.mark.parametrize(("kind", "acted"), [(FaultKind.STATUS, 0), (FaultKind.STATUS_AFTER, 1)])
def test_a_status_can_come_instead_of_the_work_or_after_it(
    sim: SimulatorServer, api: Caller, kind: FaultKind, acted: int
) -> None:
    """A 503 says nothing about what was done."""
    before = triggers_acted_on(sim)
    sim.inject(Fault(kind=kind, route="trigger", status=503, retry_after="7"))

    answer = api.trigger(["smoke"])

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.json()["error"] == "Service Unavailable"
    assert triggers_acted_on(sim) - before == acted


def test_a_status_can_be_a_proxys_html_page_even_an_unregistered_one(sim: SimulatorServer, api: Caller) -> None:
    """As proxies answer."""
    sim.inject(Fault(kind=FaultKind.STATUS, status=520, html=True))

    answer = api.trigger(["smoke"])

    assert (answer.status_code, answer.headers["content-type"]) == (520, "text/html")
    assert answer.text.startswith("<html>")


def test_unknown_values_and_fields_appear_everywhere(sim: SimulatorServer, api: Caller) -> None:
    """The API grows; its ids and times stay what they were."""
    session_id = api.sessions(["smoke"])[0]["checkSessionId"]
    sim.inject(Fault(kind=FaultKind.UNKNOWN_ENUM, route="completion"))

    session = api.complete(session_id).json()

    assert session["checkSessionId"] == session_id
    assert (session["status"], session["checkType"], session["runSource"]) == ("QUARANTINED", "QUANTUM", "AGENT")
    assert {result["resultType"] for result in session["results"]} == {"PREVIEW"}
    assert all("fieldOfTomorrow" in one for one in [session, *session["results"]])


def test_garbage_has_the_right_status_and_no_json(sim: SimulatorServer, api: Caller) -> None:
    """The sessions exist and nobody knows their ids."""
    before = triggers_acted_on(sim)
    sim.inject(Fault(kind=FaultKind.GARBAGE, route="trigger"))

    answer = api.trigger(["smoke"])

    assert answer.status_code == 201
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert triggers_acted_on(sim) - before == 1


def test_a_forgotten_session_is_a_404_from_now_on(sim: SimulatorServer, api: Caller) -> None:
    """Whether it is forgotten at its trigger or later."""
    sim.inject(Fault(kind=FaultKind.FORGET, route="trigger"))
    forgotten = api.sessions(["smoke"])[0]["checkSessionId"]
    known = api.sessions(["smoke"])[0]["checkSessionId"]

    assert api.retrieve(forgotten).status_code == 404
    assert api.retrieve(known).status_code == 200
    sim.inject(Fault(kind=FaultKind.FORGET, route="retrieve"))
    assert [api.retrieve(known).status_code for _ in range(2)] == [404, 404]


def test_a_session_that_never_ends_stays_in_progress(sim: SimulatorServer, api: Caller) -> None:
    """A long poll waits in vain."""
    sim.inject(Fault(kind=FaultKind.NEVER_END, route="trigger"))
    session_id = api.sessions(["smoke"])[0]["checkSessionId"]

    assert api.complete(session_id, 1).status_code == 408
    assert api.retrieve(session_id).json()["status"] == "PROGRESS"


def test_one_malformed_session_comes_among_good_ones(sim: SimulatorServer, api: Caller) -> None:
    """The last of the list has no id."""
    sim.inject(Fault(kind=FaultKind.MALFORMED_SESSION, route="trigger"))

    *good, bad = api.sessions(["checkout"])

    assert bad["checkSessionId"] is None
    assert len(good) == 2
    assert all(api.retrieve(session["checkSessionId"]).status_code == 200 for session in good)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_fault_leaves_the_simulator_able_to_serve_the_next_request(
    sim: SimulatorServer, api: Caller, kind: FaultKind
) -> None:
    """On a route that has no sessions, too."""
    sim.inject(Fault(kind=kind, seconds=0))

    for path in ("/v1/checks", "/v1/check-statuses"):
        try:
            last = api.client.get(path).status_code
        except httpx.TransportError:
            last = 0

    assert last == 200


@pytest.mark.parametrize("kind", [FaultKind.FORGET, FaultKind.NEVER_END, FaultKind.MALFORMED_SESSION])
def test_a_fault_of_sessions_leaves_an_answer_without_sessions_as_it_is(
    sim: SimulatorServer, api: Caller, kind: FaultKind
) -> None:
    """A list of checks, or a trigger that matched nothing."""
    sim.inject(Fault(kind=kind), Fault(kind=kind))

    assert len(api.client.get("/v1/checks").json()) == 10
    assert api.trigger(["no-such-tag"]).json()["message"] == "No matching checks were found."


@pytest.mark.parametrize("kind", [FaultKind.UNKNOWN_ENUM, FaultKind.GARBAGE])
def test_an_answer_without_a_body_gets_none(sim: SimulatorServer, api: Caller, kind: FaultKind) -> None:
    """A 204 stays a 204."""
    session_id = api.sessions(["e2e"])[0]["checkSessionId"]
    sim.inject(Fault(kind=kind, route="cancel"))

    answer = api.client.post(f"/v1/check-sessions/{session_id}/cancel", json={})

    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers


def test_faults_are_played_on_their_route_as_often_as_they_count(sim: SimulatorServer, api: Caller) -> None:
    """Other routes and the simulator's own are left alone."""
    sim.inject(Fault(kind=FaultKind.STATUS, route="checks", status=500, count=2))

    assert api.client.get("/v1/check-statuses").status_code == 200
    assert api.client.get("/_sim/witness").status_code == 200
    assert [api.client.get("/v1/checks").status_code for _ in range(3)] == [500, 500, 200]


def test_a_fault_with_a_probability_is_played_on_about_that_share_of_requests() -> None:
    """Seeded, for ever when it has no count."""
    queue, again = FaultQueue(seed=1), FaultQueue(seed=1)
    fault = Fault(kind=FaultKind.STATUS, probability=0.3, count=None)
    queue.add(fault)
    again.add(fault)

    played = [queue.take("trigger") is not None for _ in range(1000)]

    assert 250 < sum(played) < 350
    assert played == [again.take("trigger") is not None for _ in range(1000)]


def test_faults_can_be_injected_listed_and_cleared_over_http(api: Caller) -> None:
    """A list or a single one."""
    posted = api.client.post("/_sim/faults", json=[{"kind": "status", "status": 500, "count": None}, {"kind": "delay"}])

    assert posted.status_code == 201
    assert [fault["kind"] for fault in api.client.get("/_sim/faults").json()["faults"]] == ["status", "delay"]
    assert api.client.get("/v1/checks").status_code == 500
    assert api.client.delete("/_sim/faults").status_code == 204
    assert api.client.get("/v1/checks").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'"reset"',
        b"{}",
        b'{"kind": "explode"}',
        b'{"kind": "status", "route": "nowhere"}',
        b'{"kind": "status", "status": 99}',
        b'{"kind": "status", "probability": 2}',
        b'{"kind": "status", "often": true}',
        b'{"kind": "delay", "seconds": "long"}',
    ],
)
def test_a_fault_that_cannot_be_played_is_refused(api: Caller, body: bytes) -> None:
    """And leaves the queue as it was."""
    assert api.client.post("/_sim/faults", content=body).status_code == 400
    assert api.client.get("/_sim/faults").json() == {"faults": []}
