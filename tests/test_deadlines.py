"""The transport over real sockets: one budget for a whole exchange, and the knowledge whether the request left."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from recorder.checkly import DeadlineTransport
from recorder.clock import monotonic
from recorder.deadlines import DeadlineConnection, NothingSent, Proxy, Resolve, TimeOver, resolve_addresses
from tests.sockets import (
    AUTHORITY,
    Script,
    ScriptedServer,
    deaf,
    http_answer,
    http_head,
    saying,
    silent,
    trickling,
)

BUDGET_S = 1.0
LATEST_S = BUDGET_S * 1.1 + 0.4  # 1.1 x the budget, and what a busy machine takes to run the test itself
SHORT_S = 0.3


@contextmanager
def client(*, proxy: str | None = None, resolve: Resolve = resolve_addresses) -> Iterator[httpx.Client]:
    way = None if proxy is None else httpx.Proxy(proxy)
    connection = DeadlineConnection(
        monotonic=monotonic,
        ssl_context=ssl.create_default_context(cafile=str(AUTHORITY)),
        proxy=None if way is None else Proxy(str(way.url), way.raw_auth),
        resolve=resolve,
    )
    with httpx.Client(transport=DeadlineTransport(connection), trust_env=False) as http:
        yield http


def seconds_until(error: type[Exception], act: Callable[[], object]) -> float:
    """How long `act` takes to raise this very class."""
    began = monotonic()
    with pytest.raises(error) as raised:
        act()
    assert raised.type is error
    return monotonic() - began


def header_trickle() -> Script:
    return trickling(b"HTTP/1.1 200 OK\r\nX-Slow: ")


@pytest.mark.parametrize(
    "script",
    [
        header_trickle(),
        trickling(http_head(200, "Content-Length: 100000")),
        trickling(http_head(200)),
        trickling(b"", http_head(100)),
        silent,
        deaf,
    ],
    ids=["headers", "body of known length", "body without length", "interim answers", "silence", "deaf"],
)
def test_an_answer_that_never_ends_is_cut_when_the_budget_is_over(script: Script) -> None:
    """Each byte on its own comes well in time, which is all that httpx looks at."""
    with ScriptedServer(script) as server, client() as http:
        took_s = seconds_until(TimeOver, lambda: http.get(server.url, timeout=BUDGET_S))

    assert BUDGET_S * 0.9 <= took_s <= LATEST_S


def test_a_trickle_inside_tls_is_cut_as_well() -> None:
    """The decrypted stream is the one that is read."""
    with ScriptedServer(header_trickle(), tls=True) as server, client() as http:
        took_s = seconds_until(TimeOver, lambda: http.get(server.url, timeout=BUDGET_S))

    assert took_s <= LATEST_S


def test_a_large_request_that_nobody_reads_is_cut() -> None:
    """A full window blocks the writer, not the reader."""
    with ScriptedServer(deaf) as server, client() as http:
        took_s = seconds_until(TimeOver, lambda: http.post(server.url, content=bytes(32_000_000), timeout=BUDGET_S))

    assert took_s <= LATEST_S


def test_a_name_look_up_that_hangs_is_left_behind_and_nothing_was_sent() -> None:
    """The system's resolver cannot be interrupted; it may take half a minute to give up."""
    given_up = threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        given_up.wait(10)
        return []

    with client(resolve=hang) as http:
        took_s = seconds_until(NothingSent, lambda: http.get("http://slow.example", timeout=BUDGET_S))
        given_up.set()

    assert took_s <= LATEST_S


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_a_name_that_cannot_be_looked_up_means_that_nothing_was_sent(failure: Exception) -> None:
    """However the resolver says it."""

    def fail(_host: str, _port: int) -> list[str]:
        raise failure

    with client(resolve=fail) as http, pytest.raises(NothingSent, match=r"not known|too long"):
        http.get("http://nowhere.example", timeout=SHORT_S)


def test_the_second_address_of_a_host_is_tried_when_the_first_refuses() -> None:
    """A host often has an IPv6 address that leads nowhere."""
    with (
        ScriptedServer(saying(http_answer(200, b"here"))) as server,
        client(resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"]) as http,
    ):
        assert http.get(f"http://two.example:{server.port}", timeout=BUDGET_S).content == b"here"


def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    """A port that nobody listens on."""
    with ScriptedServer(deaf) as server:
        closed = server.url

    with client() as http:
        seconds_until(NothingSent, lambda: http.get(closed, timeout=SHORT_S))


def test_a_tls_handshake_that_is_never_answered_means_that_nothing_was_sent() -> None:
    """A connection was there, but the request travels inside TLS only."""
    with ScriptedServer(deaf) as server, client() as http:
        took_s = seconds_until(NothingSent, lambda: http.get(f"https://localhost:{server.port}", timeout=BUDGET_S))

    assert took_s <= LATEST_S


@pytest.mark.parametrize(
    "script",
    [
        silent,
        header_trickle(),
        saying(http_answer(407)),
        saying(http_answer(502)),
        saying(b"garbage\r\n\r\n"),
        saying(b""),
    ],
    ids=["silent", "trickling", "407", "502", "garbage", "closing"],
)
def test_a_proxy_that_opens_no_tunnel_means_that_nothing_was_sent(script: Script) -> None:
    """What went out was the CONNECT, not the request."""
    with ScriptedServer(script) as proxy, client(proxy=proxy.url) as http:
        took_s = seconds_until(NothingSent, lambda: http.get("https://localhost:1", timeout=BUDGET_S))

    assert took_s <= LATEST_S
    assert [request.method for request in proxy.requests] == ["CONNECT"]


def test_a_second_request_goes_over_the_same_connection_with_a_new_budget() -> None:
    """The budget belongs to the exchange, not to the connection."""
    with ScriptedServer(saying(*[http_answer(200, b"again")] * 3)) as server, client() as http:
        bodies = [http.get(server.url, timeout=BUDGET_S).content for _ in range(3)]

    assert bodies == [b"again"] * 3
    assert server.connections == 1


def test_a_connection_that_failed_is_not_used_again() -> None:
    """The rest of the late answer must not become the answer to the next question."""
    with ScriptedServer(silent, saying(http_answer(200, b"fresh"))) as server, client() as http:
        seconds_until(TimeOver, lambda: http.get(server.url, timeout=SHORT_S))

        assert http.get(server.url, timeout=BUDGET_S).content == b"fresh"
