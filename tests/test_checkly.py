"""What the client sends and what it makes of good answers, over real sockets, in both versions of the API."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from recorder import __version__
from recorder.access import ChecklyAccess
from recorder.checkly import ChecklyClient
from recorder.errors import BadAnswer, ConfigError, NotSent, Refused
from recorder.payloads import SessionSnapshot, StillRunning
from recorder.targets import Target
from tests import documented
from tests.sockets import AUTHORITY, ScriptedServer, http_answer, saying, tunnel

KEY = "cu_0123456789abcdef"
ACCOUNT_ID = UUID("1397c172-1938-4973-a225-5862298e571a")
SESSION_ID = UUID(documented.CHECK_SESSION_ID)
CHECK_ID = UUID(documented.CHECK_ID)
RESULT_ID = UUID(documented.CHECK_RESULT_ID)
BODY = Target(match_tags=(("production", "!skip-e2e"),)).request_body()
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = (datetime(2026, 11, 1, 0, 0, 0, 500_000, tzinfo=UTC), datetime(2026, 11, 2, 0, 0, 0, 500_000, tzinfo=UTC))


def client(server: ScriptedServer, **changes: Any) -> ChecklyClient:
    known = {"api_key": KEY, "account_id": ACCOUNT_ID, "base_url": server.url, "timeout_s": 5.0}
    return ChecklyClient(ChecklyAccess(**{**known, **changes}), now=lambda: NOW)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_trigger_posts_the_body_as_it_is_and_gives_the_sessions(version: str) -> None:
    """The documented answer; its sessions have no results yet."""
    with (
        ScriptedServer(saying(http_answer(201, documented.TRIGGER_ANSWER))) as server,
        client(server, api_version=version) as checkly,
    ):
        answer = checkly.trigger(BODY)

    [request] = server.requests
    assert (request.method, request.target, request.body) == ("POST", f"/{version}/check-sessions/trigger", BODY)
    assert request.headers["content-type"] == "application/json"
    assert (answer.http_status, answer.malformed) == (201, ())
    assert [session.check_session_id for session in answer.sessions] == [SESSION_ID]
    assert json.loads(answer.raw) == documented.TRIGGER_ANSWER


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("payload", [documented.RETRIEVE_ANSWER, documented.V2_RETRIEVE_ANSWER], ids=["v1", "v2"])
def test_a_session_is_fetched_with_its_results(version: str, payload: dict[str, Any]) -> None:
    """The documented example, and the same with what v2 adds."""
    with (
        ScriptedServer(saying(http_answer(200, payload))) as server,
        client(server, api_version=version) as checkly,
    ):
        session = checkly.fetch_session(SESSION_ID)

    assert server.requests[0].target == f"/{version}/check-sessions/{SESSION_ID}"
    assert (session.status, session.time_elapsed_ms) == ("PASSED", 300731)
    assert session.missing_locations == {"eu-central-1"}
    assert [result.check_result_id for result in session.results] == [RESULT_ID]


def send_one_of_each(checkly: ChecklyClient) -> None:
    checkly.trigger(BODY)
    checkly.fetch_session(SESSION_ID)
    checkly.cancel_session(SESSION_ID)


def test_every_request_carries_key_and_account_and_asks_for_plain_json() -> None:
    """Also the trigger, which goes over a connection of its own."""
    triggered = saying(http_answer(201, documented.TRIGGER_ANSWER))
    others = saying(http_answer(200, documented.RETRIEVE_ANSWER), http_answer(204))
    with ScriptedServer(triggered, others) as server, client(server) as checkly:
        send_one_of_each(checkly)

    assert len(server.requests) == 3
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["x-checkly-account"] == str(ACCOUNT_ID)
        assert request.headers["accept"] == "application/json"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["user-agent"] == f"checkly-session-recorder/{__version__}"


def test_each_trigger_goes_over_a_fresh_connection() -> None:
    """A pooled one may have died unnoticed, and then nobody knows whether the POST arrived."""
    with ScriptedServer(saying(*[http_answer(404, documented.NO_MATCH)] * 2)) as server, client(server) as checkly:
        checkly.trigger(BODY)
        checkly.trigger(BODY)

    assert server.connections == 2


@pytest.mark.parametrize(
    ("status", "body"), [(404, documented.NO_MATCH), (404, {"statusCode": 404}), (201, {"sessions": []})]
)
def test_a_trigger_that_nothing_matches_gives_no_sessions(status: int, body: dict[str, Any]) -> None:
    """A 404 here means "nothing matches"; a 201 with an empty list is tolerated."""
    with ScriptedServer(saying(http_answer(status, body))) as server, client(server) as checkly:
        answer = checkly.trigger(BODY)

    assert (answer.sessions, answer.malformed, answer.http_status) == ((), (), status)
    assert json.loads(answer.raw) == body


def test_another_success_with_sessions_is_accepted() -> None:
    """What counts is the list of sessions."""
    with ScriptedServer(saying(http_answer(202, documented.TRIGGER_ANSWER))) as server, client(server) as checkly:
        assert len(checkly.trigger(BODY).sessions) == 1


@pytest.mark.parametrize("body", [b"{}", b'{"target":{"matchTags":[]}}', b'{"target":{"matchTags":[[""]]}}', b""])
def test_a_body_that_chooses_nothing_never_reaches_the_wire(body: bytes) -> None:
    """Guarded once more in front of the socket: it would run the whole account."""
    with ScriptedServer(saying(http_answer(201, {"sessions": []}))) as server, client(server) as checkly:
        with pytest.raises(ConfigError):
            checkly.trigger(body)

        assert server.connections == 0


def test_the_whole_account_runs_when_the_caller_says_so() -> None:
    """`run_everything = true`, and `allow_everything` at the call."""
    with ScriptedServer(saying(http_answer(201, {"sessions": []}))) as server, client(server) as checkly:
        checkly.trigger(Target(run_everything=True).request_body(), allow_everything=True)

    assert server.requests[0].body == b"{}"


@pytest.mark.parametrize(("asked_s", "sent_s"), [(1, 1), (30, 30), (0, 1), (-5, 1), (300, 30)])
def test_a_completion_waits_within_what_the_api_allows(asked_s: int, sent_s: int) -> None:
    """Whole seconds from 1 to 30."""
    with ScriptedServer(saying(http_answer(200, documented.RETRIEVE_ANSWER))) as server, client(server) as checkly:
        session = checkly.fetch_completion(SESSION_ID, max_wait_s=asked_s)

    assert isinstance(session, SessionSnapshot)
    assert server.requests[0].target == f"/v2/check-sessions/{SESSION_ID}/completion?maxWaitSeconds={sent_s}"


@pytest.mark.parametrize(
    ("headers", "retry_after_s"),
    [((), None), (("Retry-After: 3",), 3.0), (("Retry-After: Fri, 20 Nov 2026 12:00:09 GMT",), 9.0)],
    ids=["none", "seconds", "date"],
)
def test_a_408_on_completion_means_still_running(headers: tuple[str, ...], retry_after_s: float | None) -> None:
    """Normal flow, not an error."""
    answer = http_answer(408, documented.STILL_RUNNING, *headers)
    with ScriptedServer(saying(answer)) as server, client(server) as checkly:
        assert checkly.fetch_completion(SESSION_ID, max_wait_s=1) == StillRunning(retry_after_s)


def test_a_completion_that_is_not_final_is_handed_on_as_it_is() -> None:
    """The caller judges; a status of tomorrow must not be lost here."""
    running = {**documented.RETRIEVE_ANSWER, "status": "SIMMERING", "stoppedAt": None, "results": None}
    with ScriptedServer(saying(http_answer(200, running))) as server, client(server) as checkly:
        session = checkly.fetch_completion(SESSION_ID, max_wait_s=1)

    assert isinstance(session, SessionSnapshot)
    assert (session.status, session.is_final) == ("SIMMERING", False)


@pytest.mark.parametrize(
    "ask", [lambda c: c.fetch_session(SESSION_ID), lambda c: c.fetch_completion(SESSION_ID, max_wait_s=1)]
)
def test_another_session_than_the_one_asked_for_is_a_bad_answer(ask: Callable[[ChecklyClient], object]) -> None:
    """Recording it under the wrong question would corrupt two histories."""
    other = {**documented.RETRIEVE_ANSWER, "checkSessionId": documented.CHECK_ID}
    with (
        ScriptedServer(saying(http_answer(200, other))) as server,
        client(server) as checkly,
        pytest.raises(BadAnswer, match="another session"),
    ):
        ask(checkly)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_cancelling_uses_the_only_route_there_is(version: str) -> None:
    """Cancel exists under v1 only and answers 204 without a body."""
    with ScriptedServer(saying(http_answer(204))) as server, client(server, api_version=version) as checkly:
        checkly.cancel_session(SESSION_ID)

    [request] = server.requests
    assert (request.method, request.target) == ("POST", f"/v1/check-sessions/{SESSION_ID}/cancel")
    assert request.body == b"{}"


def result_page(number: int, next_id: str | None) -> bytes:
    entry = {**documented.CHECK_RESULT, "id": str(UUID(int=number))}
    return http_answer(200, {"length": 1, "entries": [entry], "nextId": next_id})


def test_check_results_are_followed_from_cursor_to_cursor_until_null() -> None:
    """Times go out in whole seconds that cover the interval."""
    pages = saying(result_page(1, "b&c"), result_page(2, "d"), result_page(3, None))
    with ScriptedServer(pages) as server, client(server) as checkly:
        entries = list(checkly.fetch_check_results(CHECK_ID, start=DAY[0], end=DAY[1]))

    assert [entry.check_result_id.int for entry in entries] == [1, 2, 3]
    first = f"/v2/check-results/{CHECK_ID}?from=1793491200&to=1793577601&limit=100&resultType=ALL"
    assert [request.target for request in server.requests] == [first, f"{first}&nextId=b%26c", f"{first}&nextId=d"]
    assert server.connections == 1


def test_a_cursor_that_comes_again_ends_the_list() -> None:
    """A server that goes round in circles must not hold a backfill for ever."""
    pages = saying(result_page(1, "a"), result_page(2, "b"), result_page(3, "a"))
    with ScriptedServer(pages) as server, client(server) as checkly:
        entries = list(checkly.fetch_check_results(CHECK_ID, start=DAY[0], end=DAY[1]))

    assert len(entries) == 3


def test_unreadable_entries_are_reported_after_all_the_readable_ones() -> None:
    """None is lost, none is passed over in silence."""
    listed = http_answer(200, {"length": 2, "entries": [{"id": 1}, documented.CHECK_RESULT], "nextId": None})
    with ScriptedServer(saying(listed)) as server, client(server) as checkly:
        results = checkly.fetch_check_results(CHECK_ID, start=DAY[0], end=DAY[1])

        assert next(results).check_result_id == RESULT_ID
        with pytest.raises(BadAnswer, match="1 entries cannot be read"):
            next(results)


def test_a_single_check_result_is_fetched_and_must_be_the_one_asked_for() -> None:
    """By the v1 route, which both versions use."""
    answers = saying(*[http_answer(200, documented.CHECK_RESULT)] * 2)
    with ScriptedServer(answers) as server, client(server) as checkly:
        assert checkly.fetch_check_result(CHECK_ID, RESULT_ID).run_location == "us-east-1"
        with pytest.raises(BadAnswer, match="another result"):
            checkly.fetch_check_result(CHECK_ID, SESSION_ID)

    assert server.requests[0].target == f"/v1/check-results/{CHECK_ID}/{RESULT_ID}"


def test_access_is_verified_by_asking_for_a_session_that_cannot_exist() -> None:
    """A 404 proves the key; a 401 refutes it; nothing is started."""
    answers = saying(http_answer(404, {"statusCode": 404}), http_answer(401, {"message": "Bad Token"}))
    with ScriptedServer(answers) as server, client(server) as checkly:
        checkly.verify_access()
        with pytest.raises(Refused, match=r"401, Bad Token .*CHECKLY_API_KEY"):
            checkly.verify_access()

    assert {request.method for request in server.requests} == {"GET"}


def test_a_base_url_may_hold_a_path() -> None:
    """A gateway in front of Checkly."""
    with (
        ScriptedServer(saying(http_answer(200, documented.RETRIEVE_ANSWER))) as server,
        client(server, base_url=f"{server.url}/checkly/") as checkly,
    ):
        checkly.fetch_session(SESSION_ID)

    assert server.requests[0].target == f"/checkly/v2/check-sessions/{SESSION_ID}"


def test_a_certificate_of_the_named_authority_is_accepted() -> None:
    """`ca_file`, for a company's own authority."""
    with (
        ScriptedServer(saying(http_answer(201, documented.TRIGGER_ANSWER)), tls=True) as server,
        client(server, ca_file=AUTHORITY) as checkly,
    ):
        assert len(checkly.trigger(BODY).sessions) == 1


@pytest.mark.parametrize("named_by", ["nobody", "the environment"])
def test_a_certificate_of_an_unknown_authority_is_refused_before_the_request_leaves(
    named_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the environment names an authority: settings are the only way in."""
    if named_by == "the environment":
        monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
    with (
        ScriptedServer(saying(http_answer(201, documented.TRIGGER_ANSWER)), tls=True) as server,
        client(server) as checkly,
        pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        checkly.trigger(BODY)

    assert server.requests == []


def test_a_certificate_for_another_host_is_refused() -> None:
    """The authority is trusted, the name is not the one that was called."""
    with ScriptedServer(saying(http_answer(201, documented.TRIGGER_ANSWER)), tls=True) as server:
        elsewhere = f"https://127.0.0.2:{server.port}"
        with client(server, base_url=elsewhere, ca_file=AUTHORITY) as checkly, pytest.raises(NotSent):
            checkly.trigger(BODY)

    assert server.requests == []


def test_the_proxy_of_the_settings_carries_the_encrypted_request() -> None:
    """The proxy sees where it goes, and its own password, and nothing of the request."""
    with (
        ScriptedServer(saying(http_answer(201, documented.TRIGGER_ANSWER)), tls=True) as server,
        ScriptedServer(tunnel) as proxy,
    ):
        address = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
        with client(server, ca_file=AUTHORITY, proxy=address) as checkly:
            checkly.trigger(BODY)

    [connect] = proxy.requests
    assert (connect.method, connect.target) == ("CONNECT", server.url.removeprefix("https://"))
    assert connect.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
    assert "authorization" not in connect.headers
    assert server.requests[0].body == BODY


def test_plain_http_to_this_machine_never_goes_through_the_proxy() -> None:
    """The key would travel there unencrypted."""
    with (
        ScriptedServer(saying(http_answer(200, documented.RETRIEVE_ANSWER))) as server,
        ScriptedServer(tunnel) as proxy,
        client(server, proxy=proxy.url) as checkly,
    ):
        checkly.fetch_session(SESSION_ID)

        assert (len(server.requests), proxy.connections) == (1, 0)


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What decides where the key goes is written in one place."""
    with (
        ScriptedServer(saying(http_answer(200, documented.RETRIEVE_ANSWER))) as server,
        ScriptedServer(tunnel) as proxy,
    ):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with client(server) as checkly:
            checkly.fetch_session(SESSION_ID)

        assert (len(server.requests), proxy.connections) == (1, 0)
