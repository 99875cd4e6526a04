"""Gives an HTTP exchange one budget from the name look-up to the last byte, and knows whether the request left.

httpx counts its `timeout=` anew for every read, so a server that trickles bytes holds it for ever. Here each step on
the network (look-up, connect, TLS, tunnel, write, read) gets only what is left of the budget. This is httpcore's side
of it; `checkly.py` plugs it into httpx.
"""

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from queue import Empty, SimpleQueue
from ssl import SSLContext
from threading import Thread
from typing import Any, Final, TypeAlias

import httpcore

from recorder.answers import Flaw
from recorder.clock import Monotonic

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""Turns a host and a port into the addresses to try, in order. Raises OSError or UnicodeError."""

SocketOption: TypeAlias = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

_WRITE_PIECE: Final = 16 * 1024
"""Bytes handed over at once; a longer piece could wait the whole rest of the budget several times."""
_IDLE_S: Final = 20.0
"""How long an unused connection is kept; shorter than servers do, so that a half-dead one is rarely used."""
_server: Final = lru_cache(maxsize=16)(httpcore.URL)
"""A server's address, taken apart once and not for each request."""
_HTTPCORE_ERRORS: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


class ExchangeError(Exception):
    """An exchange did not come to its end; the classes say how, and so whether the request may have been acted on."""


class NothingSent(ExchangeError):
    """No byte of the request was handed to the network."""


class TimeOver(ExchangeError):
    """The budget was used up after the request, or a part of it, had left."""


class BrokenOff(ExchangeError):
    """The answer ended in the middle, or is not HTTP."""


class ConnectionLost(ExchangeError):
    """The connection broke after the request, or a part of it, had left."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's address without its user, and the user's name and password if it wants them."""

    url: str
    auth: tuple[bytes, bytes] | None = None


def resolve_addresses(host: str, port: int) -> list[str]:
    """The numeric addresses of a host in the system's order. Raises OSError or UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def flaw_of(error: ExchangeError, budget_s: float, *, lost: str) -> Flaw:
    """What a broken exchange is called; `lost` is the word for an answer that ended in the middle of its HTTP."""
    if isinstance(error, TimeOver):
        return Flaw("read_timeout", f"no complete answer within {budget_s:g} s")
    if isinstance(error, BrokenOff):
        return Flaw(lost, "the answer broke off or is not HTTP")
    return Flaw("conn_reset", "the connection broke")


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


class RawAnswer:
    """The head of an answer, and its body piece by piece; `close` it to free the connection."""

    def __init__(self, answer: httpcore.Response, exchange: Exchange) -> None:
        self.status = answer.status
        self.headers: Sequence[tuple[bytes, bytes]] = answer.headers
        self.extensions: Mapping[str, Any] = answer.extensions
        self._stream: Any = answer.stream
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except _HTTPCORE_ERRORS as error:
            raise _told_apart(error, self._exchange) from None

    def close(self) -> None:
        """Give the connection back, whether or not the body was read."""
        self._stream.close()


class DeadlineConnection:
    """One connection for one thread; every exchange over it has one budget, its answer's body included."""

    def __init__(
        self,
        *,
        monotonic: Monotonic,
        ssl_context: SSLContext | None = None,
        proxy: Proxy | None = None,
        resolve: Resolve = resolve_addresses,
    ) -> None:
        self._exchange = Exchange(monotonic)
        self._opener = _opener(_DeadlineBackend(self._exchange, resolve), ssl_context, proxy)
        self._open: httpcore.ConnectionInterface | None = None

    def send(
        self,
        method: str,
        url: str,
        target: bytes,
        *,
        headers: Sequence[tuple[bytes, bytes]],
        content: Iterable[bytes],
        budget_s: float,
    ) -> RawAnswer:
        """Send one request and read the head of its answer; the body is read under the same budget.

        `url` says which server is asked, `target` for what: path and query as they stand on the wire.
        Raises NothingSent exactly when no byte of the request was handed to the network, and TimeOver, BrokenOff or
        ConnectionLost once one was.
        """
        self._exchange.begin(budget_s=budget_s, is_encrypted=url.startswith("https:"))
        server = _server(url)
        where = httpcore.URL(scheme=server.scheme, host=server.host, port=server.port, target=target)
        request = httpcore.Request(method, where, headers=headers, content=content)
        try:
            return RawAnswer(self._connection(request.url.origin).handle_request(request), self._exchange)
        except _HTTPCORE_ERRORS as error:
            raise _told_apart(error, self._exchange) from None

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
        """The open connection while it can take a request, else a new one."""
        if self._open is not None and (not self._open.is_idle() or self._open.has_expired()):
            self.close()
        if self._open is None:
            self._open = self._opener.create_connection(origin)
        return self._open


def _told_apart(error: Exception, exchange: Exchange) -> ExchangeError:
    """One of httpcore's errors as the one that says whether the request left."""
    return _kind(error, request_left=exchange.request_left)(str(error))


def _kind(error: Exception, *, request_left: bool) -> type[ExchangeError]:
    if not request_left:
        return NothingSent
    if isinstance(error, httpcore.TimeoutException):
        return TimeOver
    return BrokenOff if isinstance(error, httpcore.RemoteProtocolError) else ConnectionLost


def _opener(
    backend: httpcore.NetworkBackend, ssl_context: SSLContext | None, proxy: Proxy | None
) -> httpcore.ConnectionPool:
    """What opens connections, through a proxy or not; one thread needs no pool to hand it its only one."""
    if proxy is None:
        return httpcore.ConnectionPool(ssl_context=ssl_context, keepalive_expiry=_IDLE_S, network_backend=backend)
    return httpcore.HTTPProxy(
        proxy_url=proxy.url,
        proxy_auth=proxy.auth,
        ssl_context=ssl_context,
        keepalive_expiry=_IDLE_S,
        network_backend=backend,
    )
