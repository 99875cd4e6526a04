"""A server on loopback whose every connection follows a script: the faults of a network, over real sockets."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

CERTIFICATES: Final = Path(__file__).parent / "certificates"
AUTHORITY: Final = CERTIFICATES / "authority.pem"
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Conversation:
    """One accepted connection, as its script sees it."""

    def __init__(self, connection: socket.socket, server: "ScriptedServer") -> None:
        self.connection = connection
        self.server = server

    def read_request(self) -> Received | None:
        """The next request, also noted in the server's list; None when the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.connection.recv(65536)
            if not piece:
                return None
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += self.connection.recv(65536)
        method, target, _version = first.split(" ")
        self.server.requests.append(Received(method, target, headers, body))
        return self.server.requests[-1]

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def trickle(self, pieces: Iterable[bytes], *, every_s: float) -> None:
        """Send piece after piece until the client has had enough or the test is over."""
        for piece in pieces:
            self.send(piece)
            if self.server.stopping.wait(every_s):
                return

    def stay_silent(self) -> None:
        """Keep the connection open and say nothing until the test is over."""
        self.server.stopping.wait(_PATIENCE_S)

    def reset(self) -> None:
        """Break the connection with a RST instead of an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Script: TypeAlias = Callable[[Conversation], None]


class ScriptedServer:
    """Listens on 127.0.0.1; the n-th connection follows the n-th script, the last one ever after."""

    def __init__(self, *scripts: Script, tls: bool = False) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._scripts = scripts
        self._tls = _server_context() if tls else None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}" if self._tls is None else f"https://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopping.set()
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes the thread that accepts
        for thread in self._threads:
            thread.join(_PATIENCE_S)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            connection, _address = self._listener.accept()
            if self.stopping.is_set():
                connection.close()
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._threads.append(threading.Thread(target=self._converse, args=(connection, script)))
            self._threads[-1].start()

    def _converse(self, connection: socket.socket, script: Script) -> None:
        connection.settimeout(_PATIENCE_S)
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                script(Conversation(connection, self))
        except OSError:
            connection.close()  # the client had enough: what most of these scripts are for


def http_answer(status: int, body: bytes | dict[str, Any] = b"", *headers: str) -> bytes:
    """A whole answer with its Content-Length."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = [] if isinstance(body, bytes) else ["Content-Type: application/json"]
    return http_head(status, f"Content-Length: {len(content)}", *kind, *headers) + content


def http_head(status: int, *headers: str) -> bytes:
    """A status line and headers, nothing after them."""
    return "\r\n".join([f"HTTP/1.1 {status} Scripted", *headers, "", ""]).encode("latin-1")


def saying(*answers: bytes) -> Script:
    """Answer one request after the other over one connection, then close it in order."""

    def script(conversation: Conversation) -> None:
        for answer in answers:
            if conversation.read_request() is not None:
                conversation.send(answer)

    return script


def resetting_after(answer: bytes) -> Script:
    """Send a part of an answer, let it arrive, then break the connection."""

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(answer)
        conversation.server.stopping.wait(0.2)
        conversation.reset()

    return script


def trickling(head: bytes, drop: bytes = b" ", *, every_s: float = 0.05) -> Script:
    """Send a head at once and then a drop every so often, without an end."""

    def script(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.trickle([head, *[drop] * 1000], every_s=every_s)

    return script


def silent(conversation: Conversation) -> None:
    """Take the request and never answer."""
    conversation.read_request()
    conversation.stay_silent()


def deaf(conversation: Conversation) -> None:
    """Accept the connection, read nothing, say nothing."""
    conversation.stay_silent()


def tunnel(conversation: Conversation) -> None:
    """Be a proxy: note the CONNECT, open the connection that it asks for and carry bytes both ways."""
    request = conversation.read_request()
    if request is None or request.method != "CONNECT":
        conversation.send(http_answer(405))
        return
    host, port = request.target.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=_PATIENCE_S) as origin:
        conversation.send(http_head(200))
        back = threading.Thread(target=_carry, args=(origin, conversation.connection))
        back.start()
        _carry(conversation.connection, origin)
        back.join(_PATIENCE_S)


def _carry(source: socket.socket, drain: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            drain.sendall(piece)
        drain.shutdown(socket.SHUT_WR)
    except OSError:
        drain.close()


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "localhost.pem")
    return context
