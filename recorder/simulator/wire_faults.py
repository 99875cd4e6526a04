"""How a fault looks on the wire: the layer between the socket and the routes that plays it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from http.client import responses as phrases
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recorder.simulator.checkly import SimulatedCheckly
from recorder.simulator.exchange import Answer, Exchange
from recorder.simulator.faults import Fault, FaultKind
from recorder.simulator.witness import route_of

HTML_PAGE: Final = b"<html><head><title>Bad gateway</title></head><body><h1>Something went wrong</h1></body></html>"
ADMIN_PREFIX: Final = "/_sim/"


class FaultLayer:
    """Counts every request and answer, and plays the waiting faults; the `/_sim/` routes pass untouched."""

    def __init__(self, application: ASGIApp, checkly: SimulatedCheckly) -> None:
        """Stand in front of `application`."""
        self._application = application
        self._checkly = checkly

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith(ADMIN_PREFIX):
            await self._application(scope, receive, send)
            return
        route = route_of(scope["method"], scope["path"])
        witness = self._checkly.witness
        witness.note_request(route)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                witness.note_answer(route, message["status"])
            await send(message)

        fault = self._checkly.faults.take(route)
        if fault is None:
            await self._application(scope, receive, counted)
            return
        witness.note_fault(fault.kind.value)
        await PLAYS[fault.kind](Exchange(self._application, self._checkly, scope, receive, counted), fault)


async def _reset_before(exchange: Exchange, _fault: Fault) -> None:
    """Take the request in first: a sender that is still writing would see a broken pipe, not a reset."""
    await exchange.take_request()
    await exchange.reset()


async def _reset_after(exchange: Exchange, _fault: Fault) -> None:
    await exchange.act()
    await exchange.reset()


async def _truncate(exchange: Exchange, fault: Fault) -> None:
    answer = await exchange.act()
    half = answer.body[: len(answer.body) // 2]
    if fault.has_length:
        await exchange.send_head(answer)
        await exchange.send({"type": "http.response.body", "body": half, "more_body": True})
    else:
        phrase = phrases[answer.status]
        head = f"HTTP/1.1 {answer.status} {phrase}\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
        exchange.write_raw(head.encode() + half)
    await exchange.hang_up()


async def _slow_body(exchange: Exchange, fault: Fault) -> None:
    answer = await exchange.act()
    await exchange.send_head(answer)
    for place in range(len(answer.body)):
        if exchange.is_abandoned():
            return
        await exchange.send({"type": "http.response.body", "body": answer.body[place : place + 1], "more_body": True})
        await asyncio.sleep(fault.seconds)
    await exchange.send({"type": "http.response.body", "body": b""})


async def _delay(exchange: Exchange, fault: Fault) -> None:
    """Take the request in before waiting, so that it is acted on even when its sender has left by then."""
    request = await exchange.take_request()
    await asyncio.sleep(fault.seconds)

    async def replay() -> Message:
        return request

    await exchange.application(exchange.scope, replay, exchange.send)


async def _status(exchange: Exchange, fault: Fault) -> None:
    await exchange.send_answer(_error_answer(fault))


async def _status_after(exchange: Exchange, fault: Fault) -> None:
    await exchange.act()
    await exchange.send_answer(_error_answer(fault))


def _error_answer(fault: Fault) -> Answer:
    headers = [] if fault.retry_after is None else [(b"retry-after", fault.retry_after.encode())]
    phrase = phrases.get(fault.status, "Unknown Error")
    if fault.html:
        return Answer(fault.status, headers, b"").with_body(HTML_PAGE, b"text/html")
    body = json.dumps({"statusCode": fault.status, "error": phrase, "message": phrase})
    return Answer(fault.status, headers, b"").with_body(body.encode())


async def _unknown_enum(exchange: Exchange, _fault: Fault) -> None:
    answer = await exchange.act()
    await exchange.send_answer(answer.with_body(json.dumps(_with_unknown_values(answer.payload())).encode()))


def _with_unknown_values(payload: Any) -> Any:
    """Replace every enum value by one of tomorrow and give every object a field of tomorrow."""
    if isinstance(payload, list):
        return [_with_unknown_values(one) for one in payload]
    if not isinstance(payload, dict):
        return payload
    unknown = {"status": "QUARANTINED", "checkType": "QUANTUM", "runSource": "AGENT", "resultType": "PREVIEW"}
    changed = {name: unknown.get(name, _with_unknown_values(value)) for name, value in payload.items()}
    return {**changed, "fieldOfTomorrow": {"depth": [1, 2, 3]}}


async def _garbage(exchange: Exchange, _fault: Fault) -> None:
    answer = await exchange.act()
    await exchange.send_answer(answer.with_body(HTML_PAGE, b"text/html"))


async def _forget(exchange: Exchange, _fault: Fault) -> None:
    for session in exchange.sessions_of_path():
        session.is_forgotten = True
    answer = await exchange.act()
    for session in exchange.sessions_of(answer):
        session.is_forgotten = True
    await exchange.send_answer(answer)


async def _never_end(exchange: Exchange, _fault: Fault) -> None:
    for session in exchange.sessions_of_path():
        session.never_ends = True
    answer = await exchange.act()
    for session in exchange.sessions_of(answer):
        session.never_ends = True
    await exchange.send_answer(answer)


async def _malformed_session(exchange: Exchange, _fault: Fault) -> None:
    answer = await exchange.act()
    sessions = answer.sessions()
    if not sessions:
        await exchange.send_answer(answer)
        return
    *good, last = sessions
    bad = {**last, "checkSessionId": None, "startedAt": "yesterday", "runLocations": "everywhere"}
    await exchange.send_answer(answer.with_body(json.dumps({"sessions": [*good, bad]}).encode()))


PLAYS: Final[dict[FaultKind, Callable[[Exchange, Fault], Awaitable[None]]]] = {
    FaultKind.RESET_BEFORE: _reset_before,
    FaultKind.RESET_AFTER: _reset_after,
    FaultKind.TRUNCATE: _truncate,
    FaultKind.SLOW_BODY: _slow_body,
    FaultKind.DELAY: _delay,
    FaultKind.STATUS: _status,
    FaultKind.STATUS_AFTER: _status_after,
    FaultKind.UNKNOWN_ENUM: _unknown_enum,
    FaultKind.GARBAGE: _garbage,
    FaultKind.FORGET: _forget,
    FaultKind.NEVER_END: _never_end,
    FaultKind.MALFORMED_SESSION: _malformed_session,
}
