"""The endpoints around the sessions: checks, statuses, results and accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from recorder.simulator.admission import RateLimits
from recorder.simulator.checkly import Settings
from recorder.simulator.scenarios import Kind, Scenario
from recorder.simulator.server import SimulatorServer
from tests.simulator_caller import NOON, Caller, Payload, SteppedClock, calling

NOBODY = "8166fa86-c9b4-4162-8541-d380c6c212d8"


@pytest.fixture(scope="module")
def sim() -> Iterator[SimulatorServer]:
    clock = SteppedClock()
    settings = Settings(
        past=timedelta(days=2),
        scenarios=(Scenario("now", Kind.OUTAGE, "Payments API"),),
        limits=RateLimits(requests=10_000, check_results=10_000),
    )
    with SimulatorServer(settings=settings, now=clock.now, monotonic=clock.monotonic) as server:
        yield server


@pytest.fixture
def api(sim: SimulatorServer) -> Iterator[Caller]:
    with calling(sim) as caller:
        yield caller


def results_of(api: Caller, check_id: str, **query: Any) -> list[Payload]:
    """Read all pages."""
    entries: list[Payload] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = api.client.get(f"/v2/check-results/{check_id}", params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["length"] == len(page["entries"])
        entries += page["entries"]
        if page["nextId"] is None:
            return entries
        cursor = {"nextId": page["nextId"]}


def test_checks_are_a_plain_array_in_pages_with_the_total_in_a_header(sim: SimulatorServer, api: Caller) -> None:
    """Fourteen checks are two pages of ten."""
    pages = [api.client.get("/v1/checks", params={"page": page}) for page in (1, 2, 3)]

    names = [check["name"] for page in pages for check in page.json()]
    assert names == [check.name for check in sim.world.checks]
    assert [len(page.json()) for page in pages] == [10, 4, 0]
    assert [page.headers["content-range"] for page in pages] == ["items 0-9/14", "items 10-13/14", "items */14"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "page=0", "limit=" + "9" * 5000])
def test_a_page_out_of_bounds_is_a_400(api: Caller, query: str) -> None:
    """`limit` is 1..100, `page` at least 1."""
    assert api.client.get(f"/v1/checks?{query}").status_code == 400


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("tag=checkout", ["Checkout flow", "Payments API", "Cart API"]),
        ("tag=checkout&tag=web", ["Checkout flow"]),
        ("tag[]=checkout&tag[]=skip-e2e", ["Cart API"]),
        ("checkType=PLAYWRIGHT", ["End-to-end suite"]),
        ("search=staging", ["Staging API"]),
        ("status=failing", ["Payments API"]),
    ],
)
def test_checks_can_be_filtered(api: Caller, query: str, names: list[str]) -> None:
    """By tags (all of them, the group's too), type, name and status."""
    assert [check["name"] for check in api.client.get(f"/v1/checks?{query}").json()] == names


def test_group_settings_are_applied_when_asked(api: Caller) -> None:
    """A check's own tags come without those of its group otherwise."""
    plain, applied = (
        api.client.get(f"/v1/checks?search=Cart&applyGroupSettings={flag}").json()[0]["tags"]
        for flag in ("false", "true")
    )

    assert plain == ["api", "skip-e2e"]
    assert applied == ["api", "checkout", "critical", "production", "skip-e2e"]


def test_a_check_tells_its_private_locations_apart(sim: SimulatorServer, api: Caller) -> None:
    """Sessions name both kinds in `runLocations`."""
    check = api.client.get(f"/v1/checks/{sim.world.named('Order database port').check_id}").json()

    assert (check["locations"], check["privateLocations"]) == (["eu-central-1"], ["berlin-office"])


def test_statuses_cover_every_check_that_has_run(sim: SimulatorServer, api: Caller) -> None:
    """Deactivated checks and heartbeats have none."""
    statuses = {status["name"]: status for status in api.client.get("/v1/check-statuses").json()}

    assert statuses.keys() == {check.name for check in sim.world.eligible()}
    assert [name for name, status in statuses.items() if status["hasFailures"]] == ["Payments API"]
    heartbeat = sim.world.named("Nightly backup heartbeat").check_id
    assert api.client.get(f"/v1/check-statuses/{heartbeat}").status_code == 404


def test_results_are_paged_newest_first_without_gap_or_double(sim: SimulatorServer, api: Caller) -> None:
    """Any page size tells the same story."""
    check_id = sim.world.named("Payments API").check_id
    since = (NOON - timedelta(hours=6)).timestamp()
    whole = results_of(api, check_id, limit=100, resultType="ALL", **{"from": since})

    assert len(whole) == 144  # twelve half hours, four locations, three tries
    assert results_of(api, check_id, limit=7, resultType="ALL", **{"from": since}) == whole
    assert len({one["id"] for one in whole}) == len(whole)
    assert [one["startedAt"] for one in whole] == sorted((one["startedAt"] for one in whole), reverse=True)
    assert results_of(api, check_id, **{"from": since}) == [one for one in whole if one["resultType"] == "FINAL"]


def test_results_can_be_asked_by_type_time_and_place(sim: SimulatorServer, api: Caller) -> None:
    """`from` is inclusive, `to` exclusive, both in unix seconds."""
    check_id = sim.world.named("Payments API").check_id
    begins, ends = NOON - timedelta(hours=3), NOON - timedelta(hours=1)
    window = {"from": int(begins.timestamp()), "to": int(ends.timestamp())}

    attempts = results_of(api, check_id, resultType="ATTEMPT", location="eu-west-1", **window)

    assert len(attempts) == 8  # four half hours, two attempts each
    assert {one["resultType"] for one in attempts} == {"ATTEMPT"}
    assert {one["runLocation"] for one in attempts} == {"eu-west-1"}
    assert all(begins <= datetime.fromisoformat(one["startedAt"]) < ends for one in attempts)


def test_the_tries_of_one_location_share_a_sequence(sim: SimulatorServer, api: Caller) -> None:
    """Numbered from one, the FINAL last."""
    results = results_of(api, sim.world.named("Payments API").check_id, resultType="ALL", limit=100)
    newest = results[0]["sequenceId"]

    tries = sorted((one["attempts"], one["resultType"]) for one in results if one["sequenceId"] == newest)

    assert tries == [(1, "ATTEMPT"), (2, "ATTEMPT"), (3, "FINAL")]


def test_results_can_be_projected(sim: SimulatorServer, api: Caller) -> None:
    """As the official CLI asks for them."""
    path = f"/v2/check-results/{sim.world.named('Cart API').check_id}?limit=1&fields=id,runLocation"

    assert api.client.get(path).json()["entries"][0].keys() == {"id", "runLocation"}


@pytest.mark.parametrize("query", ["resultType=SOME", "from=yesterday", f"nextId={NOBODY}", "limit=101"])
def test_a_malformed_question_about_results_is_a_400(sim: SimulatorServer, api: Caller, query: str) -> None:
    """Each in the documented shape."""
    answer = api.client.get(f"/v2/check-results/{sim.world.checks[0].check_id}?{query}")

    assert answer.status_code == 400
    assert answer.json().keys() == {"statusCode", "error", "message"}


def test_a_triggered_sessions_results_are_listed_once_they_exist() -> None:
    """The list carries no session id: one finds them by `checkResultId`."""
    clock = SteppedClock()
    with SimulatorServer(speed=1, now=clock.now, monotonic=clock.monotonic) as sim, calling(sim) as api:
        check_id = sim.world.named("Search results").check_id
        before = {one["id"] for one in results_of(api, check_id)}
        session_id = api.sessions(["search"])[0]["checkSessionId"]
        assert {one["id"] for one in results_of(api, check_id)} == before
        clock.advance(120)
        final = api.retrieve(session_id).json()["results"]
        listed = {one["id"]: one for one in results_of(api, check_id)}
        full = api.client.get(f"/v1/check-results/{check_id}/{final[0]['checkResultId']}").json()

    assert listed.keys() - before == {one["checkResultId"] for one in final}
    assert full == listed[final[0]["checkResultId"]]
    assert full["startedAt"] == final[0]["startedAt"]


def test_an_account_describes_itself_and_no_other(sim: SimulatorServer, api: Caller) -> None:
    """The official CLI asks before every command."""
    own = api.client.get(f"/next/accounts/{sim.account_id}").json()

    assert (own["id"], own["name"]) == (sim.account_id, "Simulated shop")
    assert api.client.get(f"/next/accounts/{NOBODY}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_is_a_404_in_the_documented_shape(api: Caller, method: str) -> None:
    """Whatever the method."""
    answer = api.client.request(method, "/v3/nothing")

    assert answer.json() == {"statusCode": 404, "error": "Not Found", "message": "Not Found"}
