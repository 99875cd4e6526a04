"""Gives an HTTP exchange one budget from the name look-up to the last byte, and knows whether the request left.

httpx counts its `timeout=` anew for every read, so a server that trickles bytes holds it for ever. Here each step on
the network (look-up, connect, TLS, tunnel, write, read) gets only what is left of the budget. Beside `checkly.py` this
is the only module that imports httpx.
"""

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from ssl import SSLContext
from threading import Thread
from typing import Any, Final, TypeAlias, cast

import httpcore
import httpx

from recorder.clock import Monotonic

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""Turns a host and a port into the addresses to try, in order. Raises OSError or UnicodeError."""

SocketOption: TypeAlias = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

_WRITE_PIECE: Final = 16 * 1024
"""Bytes handed over at once; a longer piece could wait the whole rest of the budget several times."""
_IDLE_S: Final = 20.0
"""How long an unused connection is kept; shorter than servers do, so that a half-dead one is rarely used."""
_HTTPCORE_ERRORS: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


def resolve_addresses(host: str, port: int) -> list[str]:
    """The numeric addresses of a host in the system's order. Raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Exchange:
    """The exchange under way: what is left of its budget, and whether any byte of its request was handed over.

    Over TLS the request travels inside the encrypted stream; what goes out before it (a proxy's CONNECT) is not it.
    """

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._ends_at = monotonic()
        self.is_encrypted = True
        self.request_left = False

    def begin(self, *, budget_s: float, is_encrypted: bool) -> None:
        """Start counting for a new request."""
        self._ends_at = self._monotonic() + budget_s
        self.is_encrypted = is_encrypted
        self.request_left = False

    def remaining_s(self) -> float:
        """Seconds left, more than zero. Raises httpcore.TimeoutException when there are none."""
        remaining = self._ends_at - self._monotonic()
        if remaining <= 0:
            raise httpcore.TimeoutException("the time for the whole exchange is over")
        return remaining


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every step gets what is left of the exchange's budget, whatever httpcore asks for."""

    def __init__(self, stream: httpcore.NetworkStream, exchange: Exchange, *, carries_request: bool) -> None:
        self._stream = stream
        self._exchange = exchange
        self._carries_request = carries_request

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._exchange.remaining_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE_PIECE):
            remaining_s = self._exchange.remaining_s()
            self._exchange.request_left |= self._carries_request
            self._stream.write(buffer[start : start + _WRITE_PIECE], remaining_s)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._exchange.remaining_s())
        return _DeadlineStream(stream, self._exchange, carries_request=True)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.NetworkBackend):
    """Opens connections within the exchange's budget, the name look-up included."""

    def __init__(self, exchange: Exchange, resolve: Resolve) -> None:
        self._exchange = exchange
        self._resolve = resolve
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Try each address in turn; one that never answers costs only its share of the time."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        addresses = self._addresses(host, port)
        for tried, address in enumerate(addresses):
            share_s = self._exchange.remaining_s() / (len(addresses) - tried)
            try:
                stream = self._sockets.connect_tcp(address, port, share_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream, self._exchange, carries_request=not self._exchange.is_encrypted)
        raise failure

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        """Look the host up in a thread of its own: the system's look-up cannot be interrupted, only left behind."""
        found: SimpleQueue[Sequence[str] | Exception] = SimpleQueue()
        Thread(target=self._look_up, args=(host, port, found), name=f"look-up-{host}", daemon=True).start()
        try:
            answer = found.get(timeout=self._exchange.remaining_s())
        except Empty:
            raise httpcore.ConnectTimeout(f"looking up {host} took too long") from None
        if isinstance(answer, Exception):
            raise httpcore.ConnectError(str(answer))
        return answer

    def _look_up(self, host: str, port: int, found: SimpleQueue[Sequence[str] | Exception]) -> None:
        try:
            found.put(self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            found.put(error)


class DeadlineTransport(httpx.BaseTransport):
    """One connection for one thread; httpx's `timeout=` becomes the budget in seconds of the whole exchange.

    Raises httpx.ConnectError exactly when no byte of the request was handed to the network. Once one was:
    httpx.ReadTimeout when the time is over, httpx.RemoteProtocolError when the answer breaks off or is not HTTP,
    httpx.ReadError when the connection breaks.
    """

    def __init__(
        self,
        *,
        monotonic: Monotonic,
        ssl_context: SSLContext | None = None,
        proxy: str | None = None,
        resolve: Resolve = resolve_addresses,
    ) -> None:
        self._exchange = Exchange(monotonic)
        backend = _DeadlineBackend(self._exchange, resolve)
        self._pool = _open_pool(backend, ssl_context, None if proxy is None else httpx.Proxy(proxy))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body of the response is read under the same budget."""
        self._exchange.begin(budget_s=request.extensions["timeout"]["read"], is_encrypted=request.url.scheme == "https")
        asked = httpcore.Request(
            method=request.method,
            url=_to_httpcore(request.url),
            headers=request.headers.raw,
            content=cast("httpx.SyncByteStream", request.stream),
            extensions=request.extensions,
        )
        with _told_apart(self._exchange):
            answer = self._pool.handle_request(asked)
        stream = _AnswerStream(answer.stream, self._exchange)
        return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()


class _AnswerStream(httpx.SyncByteStream):
    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        with _told_apart(self._exchange):
            yield from self._stream

    def close(self) -> None:
        self._stream.close()


@contextmanager
def _told_apart(exchange: Exchange) -> Iterator[None]:
    """Turn httpcore's errors into the four kinds that `DeadlineTransport` promises."""
    try:
        yield
    except _HTTPCORE_ERRORS as error:
        raise _as_httpx(error, request_left=exchange.request_left) from None


def _as_httpx(error: Exception, *, request_left: bool) -> httpx.TransportError:
    if not request_left:
        return httpx.ConnectError(str(error))
    if isinstance(error, httpcore.TimeoutException):
        return httpx.ReadTimeout(str(error))
    if isinstance(error, httpcore.RemoteProtocolError):
        return httpx.RemoteProtocolError(str(error))
    return httpx.ReadError(str(error))


def _open_pool(
    backend: httpcore.NetworkBackend, ssl_context: SSLContext | None, proxy: httpx.Proxy | None
) -> httpcore.ConnectionPool:
    if proxy is None:
        return httpcore.ConnectionPool(
            ssl_context=ssl_context, max_connections=1, keepalive_expiry=_IDLE_S, network_backend=backend
        )
    return httpcore.HTTPProxy(
        proxy_url=_to_httpcore(proxy.url),
        proxy_auth=proxy.raw_auth,
        ssl_context=ssl_context,
        max_connections=1,
        keepalive_expiry=_IDLE_S,
        network_backend=backend,
    )


def _to_httpcore(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
