"""What the client says when things go wrong, over real sockets: whether it was sent, and what to do now."""

import gzip
import json
import tracemalloc
import zlib

import pytest

from recorder.checkly import MAX_BODY_BYTES
from recorder.clock import monotonic
from recorder.errors import BadAnswer, ChecklyError, NoSuchThing, NotSent, PerhapsSent, Refused, TryLater
from tests import documented
from tests.asking import SHORT_S, Ask, cancel, client, complete, error, fetch, trigger
from tests.sockets import (
    Script,
    ScriptedServer,
    http_answer,
    http_head,
    resetting_after,
    saying,
    silent,
    trickling,
)

MISSING = 100
BUDGET_S = 1.0

ANSWER = json.dumps(documented.TRIGGER_ANSWER).encode()
SESSION = json.dumps(documented.RETRIEVE_ANSWER).encode()
HTML = b"<html><body><h1>502 Bad Gateway</h1>nginx</body></html>"
ZIPPED = gzip.compress(ANSWER)
TOO_BIG = b'{"sessions": [' + b" " * (9 * 1024 * 1024) + b"]}"


def unsized(body: bytes) -> bytes:
    """An answer that ends where the connection ends."""
    return http_head(201, "Content-Type: application/json") + body


def cut(body: bytes) -> bytes:
    """An answer that announces all of the body and ends before it."""
    return http_answer(201, body)[:-MISSING]


def chunked(body: bytes) -> bytes:
    """An answer in chunks whose last one never comes."""
    return http_head(201, "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n" % (len(body), body)


def failure(script: Script, ask: Ask, *, timeout_s: float = 5.0) -> ChecklyError:
    """The error that asking a server of this kind ends with."""
    with (
        ScriptedServer(script) as server,
        client(server.url, timeout_s=timeout_s) as checkly,
        pytest.raises(ChecklyError) as raised,
    ):
        ask(checkly)
    return raised.value


REFUSALS: list[tuple[Script, str, int]] = [
    (error(400), "400", 400),
    (error(401), "401", 401),
    (error(402), "402", 402),
    (error(403), "403", 403),
    (error(405), "400", 405),
    (error(410), "400", 410),
    (error(415), "400", 415),
    (error(422), "400", 422),
    (error(302, "Location: https://example.com/"), "redirect", 302),
    (error(307, "Location: /v2/elsewhere"), "redirect", 307),
    (error(304), "redirect", 304),
]


@pytest.mark.parametrize("ask", [trigger, fetch, complete, cancel])
@pytest.mark.parametrize(("script", "reason", "status"), REFUSALS, ids=[str(status) for *_, status in REFUSALS])
def test_a_refusal_for_good_says_so_whatever_was_asked(script: Script, reason: str, status: int, ask: Ask) -> None:
    """Key, plan, role, request or address: waiting does not help."""
    refusal = failure(script, ask)

    assert type(refusal) is Refused
    assert (refusal.reason, refusal.http_status) == (reason, status)


def test_a_redirect_is_not_followed() -> None:
    """The key would go wherever the answer points."""
    with ScriptedServer(saying(http_answer(200, documented.RETRIEVE_ANSWER))) as elsewhere:
        refusal = failure(error(307, f"Location: {elsewhere.url}/v2"), fetch)

    assert isinstance(refusal, Refused)
    assert elsewhere.connections == 0


@pytest.mark.parametrize("ask", [trigger, fetch, complete, cancel])
@pytest.mark.parametrize(
    ("headers", "retry_after_s"),
    [
        ((), None),
        (("Retry-After: 20",), 20.0),
        (("Retry-After: Fri, 20 Nov 2026 12:01:00 GMT",), 60.0),
        (("Date: Fri, 20 Nov 2026 11:55:00 GMT", "Retry-After: Fri, 20 Nov 2026 11:55:30 GMT"), 30.0),
        (("Date: Fri, 20 Nov 2026 12:05:00 GMT", "Retry-After: Fri, 20 Nov 2026 12:05:30 GMT"), 30.0),
        (("Date: now", "Retry-After: Fri, 20 Nov 2026 12:01:00 GMT"), 60.0),
    ],
    ids=["none", "seconds", "date", "behind us", "ahead of us", "no clock"],
)
def test_a_rate_limit_means_later_and_passes_on_for_how_long(
    ask: Ask, headers: tuple[str, ...], retry_after_s: float | None
) -> None:
    """The one refusal after which a trigger may be sent again."""
    later = failure(error(429, *headers), ask)

    assert isinstance(later, TryLater)
    assert (later.reason, later.http_status, later.retry_after_s) == ("rate_limited", 429, retry_after_s)


AMBIGUOUS: dict[str, tuple[Script, str, int | None, bytes]] = {
    "500": (saying(http_answer(500, b'{"statusCode":500}')), "http_5xx", 500, b'{"statusCode":500}'),
    "502 in HTML": (saying(http_answer(502, HTML)), "http_5xx", 502, HTML),
    "503 that breaks off": (saying(http_head(503, "Content-Length: 50") + b"half"), "http_5xx", 503, b"half"),
    "504": (saying(http_answer(504)), "http_5xx", 504, b""),
    "408": (error(408), "read_timeout", 408, b'{"statusCode": 408, "error": "Error", "message": "so it is"}'),
    "silence": (silent, "read_timeout", None, b""),
    "silence after half a body": (
        trickling(http_head(201, "Content-Length: 9000") + b"{", every_s=9),
        "read_timeout",
        201,
        b"{",
    ),
    "closed without a word": (saying(b""), "conn_reset", None, b""),
    "reset without a word": (resetting_after(b""), "conn_reset", None, b""),
    "reset in the headers": (resetting_after(http_head(201)[:20]), "conn_reset", None, b""),
    "reset in the body": (resetting_after(cut(ANSWER)), "conn_reset", 201, ANSWER[:-MISSING]),
    "no HTTP": (saying(b"SSH-2.0-OpenSSH\r\n\r\n"), "conn_reset", None, b""),
    "cut short of its length": (saying(cut(ANSWER)), "bad_body", 201, ANSWER[:-MISSING]),
    "cut without a length": (saying(unsized(ANSWER[:-20])), "bad_body", 201, ANSWER[:-20]),
    "cut between chunks": (saying(chunked(ANSWER)), "bad_body", 201, ANSWER),
    "empty": (saying(http_answer(201)), "bad_body", 201, b""),
    "no content": (saying(http_answer(204)), "bad_body", 204, b""),
    "no list": (saying(http_answer(201, b'{"ok":true}')), "bad_body", 201, b'{"ok":true}'),
    "HTML": (saying(http_answer(200, HTML)), "bad_body", 200, HTML),
    "nested": (saying(http_answer(201, b"[" * 200_000)), "bad_body", 201, b"[" * 200_000),
    "endless integer": (
        saying(http_answer(201, b'{"sessions":' + b"9" * 5000 + b"}")),
        "bad_body",
        201,
        b'{"sessions":' + b"9" * 5000 + b"}",
    ),
    "too big": (saying(http_answer(201, TOO_BIG)), "bad_body", 201, TOO_BIG[:MAX_BODY_BYTES]),
    "compressed": (saying(http_answer(201, ZIPPED, "Content-Encoding: gzip")), "bad_body", 201, ZIPPED),
    "switching protocols": (saying(http_head(101, "Upgrade: x", "Connection: upgrade")), "conn_reset", None, b""),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_trigger_that_may_have_been_acted_on_is_perhaps_sent_and_keeps_what_came(case: str) -> None:
    """Never sent again; the bytes may be the only trace of the sessions."""
    script, reason, status, body = AMBIGUOUS[case]
    times_out = reason == "read_timeout" and status != 408

    perhaps = failure(script, trigger, timeout_s=SHORT_S if times_out else 5.0)

    assert type(perhaps) is PerhapsSent
    assert (perhaps.reason, perhaps.http_status) == (reason, status)
    assert perhaps.body == body


READS: dict[str, tuple[Script, type[ChecklyError], str, int | None]] = {
    "404": (error(404), NoSuchThing, "not_found", 404),
    "404 in HTML": (saying(http_answer(404, HTML)), BadAnswer, "bad_body", 404),
    "500": (error(500), TryLater, "http_5xx", 500),
    "502 in HTML": (saying(http_answer(502, HTML)), TryLater, "http_5xx", 502),
    "silence": (silent, TryLater, "read_timeout", None),
    "trickle": (trickling(http_head(200)), TryLater, "read_timeout", 200),
    "closed without a word": (saying(b""), TryLater, "conn_reset", None),
    "reset": (resetting_after(http_answer(200, SESSION)[:-5]), TryLater, "conn_reset", 200),
    "cut short of its length": (saying(cut(SESSION)), BadAnswer, "bad_body", 201),
    "cut without a length": (saying(unsized(SESSION[:-20])), BadAnswer, "bad_body", 201),
    "HTML": (saying(http_answer(200, HTML)), BadAnswer, "bad_body", 200),
    "null": (saying(http_answer(200, b"null")), BadAnswer, "bad_body", 200),
    "a list": (saying(http_answer(200, b"[]")), BadAnswer, "bad_body", 200),
    "NaN": (saying(http_answer(200, SESSION.replace(b"300731", b"NaN"))), BadAnswer, "bad_body", 200),
    "no status": (saying(http_answer(200, SESSION.replace(b"status", b"state"))), BadAnswer, "bad_body", 200),
    "too big": (saying(http_answer(200, b" " * (9 * 1024 * 1024) + SESSION)), BadAnswer, "bad_body", 200),
    "compressed": (
        saying(http_answer(200, gzip.compress(SESSION), "Content-Encoding: gzip")),
        BadAnswer,
        "bad_body",
        200,
    ),
    "brotli": (saying(http_answer(200, SESSION, "Content-Encoding: br")), BadAnswer, "bad_body", 200),
}


@pytest.mark.parametrize("ask", [fetch, complete])
@pytest.mark.parametrize("case", READS)
def test_a_read_that_failed_says_whether_asking_again_may_help(case: str, ask: Ask) -> None:
    """Later, no such thing, or an answer that cannot be read."""
    script, kind, reason, status = READS[case]

    failed = failure(script, ask, timeout_s=SHORT_S if reason == "read_timeout" else 5.0)

    assert type(failed) is kind
    assert (failed.reason, failed.http_status) == (reason, status)


def test_a_session_that_is_asked_for_in_vain_for_too_long_is_asked_for_later() -> None:
    """A 408 outside of completion is no state of a session."""
    later = failure(error(408, "Retry-After: 2"), fetch)

    assert isinstance(later, TryLater)
    assert (later.reason, later.retry_after_s) == ("read_timeout", 2.0)


@pytest.mark.parametrize("ask", [trigger, fetch, complete, cancel])
def test_a_server_that_is_not_there_means_that_nothing_was_sent(ask: Ask) -> None:
    """Safe to send again, also for a trigger."""
    with ScriptedServer(silent) as server:
        address = server.url

    with client(address) as checkly, pytest.raises(NotSent, match=f"cannot reach {address[7:]}.*refused") as raised:
        ask(checkly)

    assert (raised.value.reason, raised.value.http_status) == ("network", None)


@pytest.mark.parametrize("ask", [trigger, fetch])
def test_no_request_takes_longer_than_a_tenth_over_its_budget(ask: Ask) -> None:
    """Header, body and all."""
    began = monotonic()

    failure(trickling(http_head(200)), ask, timeout_s=BUDGET_S)

    assert BUDGET_S * 0.9 <= monotonic() - began <= BUDGET_S * 1.1


def test_a_trigger_has_half_a_minute_whatever_other_requests_may_take() -> None:
    """Its intent is leased for less than the ten minutes that `timeout` may say; the clock here runs fast."""
    with (
        ScriptedServer(trickling(http_head(201))) as server,
        client(server.url, timeout_s=600.0, monotonic=lambda: monotonic() * 100) as checkly,
        pytest.raises(PerhapsSent, match="no complete answer within 30 s"),
    ):
        trigger(checkly)


def test_a_compressed_body_is_never_inflated() -> None:
    """The bomb is some 300 kB on the wire and 300 MB in memory."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join([*(packer.compress(bytes(1_000_000)) for _ in range(300)), packer.flush()])

    tracemalloc.start()
    perhaps = failure(saying(http_answer(201, bomb, "Content-Encoding: gzip")), trigger)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(perhaps, PerhapsSent)
    assert perhaps.body == bomb
    assert peak < 8_000_000


def test_an_html_page_is_named_and_never_quoted() -> None:
    """A page of a proxy says nothing in one line."""
    message = str(failure(saying(http_answer(502, HTML)), fetch))

    assert "an HTML page" in message
    assert "nginx" not in message


def test_a_404_page_that_is_not_checklys_is_no_match_for_nothing() -> None:
    """A wrong base_url must not look like a wrong tag."""
    refusal = failure(saying(http_answer(404, HTML)), trigger)

    assert isinstance(refusal, Refused)
    assert "base_url" in str(refusal)


def test_the_client_goes_on_after_a_failure() -> None:
    """A broken connection is replaced by the next request."""
    scripts = [silent, resetting_after(b""), saying(http_answer(200, documented.RETRIEVE_ANSWER))]
    with ScriptedServer(*scripts) as server, client(server.url, timeout_s=SHORT_S) as checkly:
        for _ in range(2):
            with pytest.raises(TryLater):
                fetch(checkly)

        fetch(checkly)
