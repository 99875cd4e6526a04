"""One request on its way through the simulator, held so that a fault can act on its answer or its connection."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from recorder.simulator.account import LiveSession
from recorder.simulator.checkly import SimulatedCheckly

TRANSPORT: Final = "recorder.simulator.transport"
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class TransportProtocol(H11Protocol):
    """uvicorn's HTTP protocol, which also hands the application the connection's transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Wrap the application for this connection."""
        super().connection_made(transport)
        application = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {TRANSPORT: transport}
            await application(scope, receive, send)

        self.app = with_transport


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of the application, held back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def with_body(self, body: bytes, content_type: bytes = b"application/json") -> Answer:
        """Put another body under the same status; 204 cannot have one."""
        if self.status == HTTPStatus.NO_CONTENT:
            return self
        kept = [pair for pair in self.headers if pair[0] not in (b"content-length", b"content-type")]
        headers = [*kept, (b"content-type", content_type), (b"content-length", str(len(body)).encode())]
        return Answer(self.status, headers, body)

    def payload(self) -> Any:
        """Decode the body; None when there is none."""
        return json.loads(self.body) if self.body else None

    def sessions(self) -> list[dict[str, Any]]:
        """List the sessions of a trigger's answer; any other answer has none."""
        payload = self.payload()
        sessions: list[dict[str, Any]] = payload.get("sessions", []) if isinstance(payload, dict) else []
        return sessions


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its way through the layer."""

    application: ASGIApp
    checkly: SimulatedCheckly
    scope: Scope
    receive: Receive
    send: Send

    async def take_request(self) -> Message:
        """Read the request's whole body off the wire, as one message."""
        request = await self.receive()
        while request.get("more_body", False):
            more = await self.receive()
            request = {**more, "body": request["body"] + more.get("body", b"")}
        return request

    async def act(self) -> Answer:
        """Let the application do its work and hold its answer back."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.application(self.scope, self.receive, keep)
        start, bodies = messages[0], messages[1:]
        return Answer(start["status"], list(start["headers"]), b"".join(one.get("body", b"") for one in bodies))

    async def send_head(self, answer: Answer) -> None:
        """Send the status line and the headers."""
        await self.send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})

    async def send_answer(self, answer: Answer) -> None:
        """Send a whole answer."""
        await self.send_head(answer)
        await self.send({"type": "http.response.body", "body": answer.body})

    async def reset(self) -> None:
        """Abort the connection with a TCP reset, so that nothing of an answer arrives."""
        transport = self._transport()
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        transport.abort()
        await self._until_disconnected()

    async def hang_up(self) -> None:
        """Close the connection after what was written."""
        self._transport().close()
        await self._until_disconnected()

    def write_raw(self, data: bytes) -> None:
        """Write past the HTTP layer."""
        self._transport().write(data)

    def is_abandoned(self) -> bool:
        """Tell whether the other side has hung up."""
        return self._transport().is_closing()

    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport = self.scope["extensions"][TRANSPORT]
        return transport

    async def _until_disconnected(self) -> None:
        """Wait for uvicorn to notice, or it would complain about the missing answer."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def sessions_of_path(self) -> list[LiveSession]:
        """Find the session that the path names."""
        return self._find(self.scope["path"].split("/")[3:4])  # /v2/check-sessions/{id}

    def sessions_of(self, answer: Answer) -> list[LiveSession]:
        """Find the sessions that a trigger's answer names."""
        return self._find([session["checkSessionId"] for session in answer.sessions()])

    def _find(self, session_ids: list[str]) -> list[LiveSession]:
        found = [self.checkly.find_session(session_id) for session_id in session_ids]
        return [session for session in found if session is not None]
