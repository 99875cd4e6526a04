"""The API key stays where it belongs: in the header of a request, and nowhere that a person or a log would see it."""

import json
import logging
import traceback
from typing import Any

import pytest

from recorder.errors import ChecklyError, NotSent
from tests import documented
from tests.asking import KEY, SHORT_S, Ask, client, error, fetch, trigger
from tests.sockets import Script, ScriptedServer, http_answer, http_head, resetting_after, saying, silent

ECHO = f"no such key: Bearer {KEY}"
LEAKY: dict[str, Script] = {
    "401 that echoes the key": error(401, message=ECHO),
    "500 that echoes the key": error(500, message=ECHO),
    "404 that echoes the key": error(404, message=ECHO),
    "success that echoes the key": saying(http_answer(201, json.dumps({"message": ECHO}).encode())),
    "half an answer that echoes the key": saying(http_head(201, "Content-Length: 999") + ECHO.encode()),
    "redirect to the key": error(302, f"Location: https://{KEY}.example.com/"),
    "unreadable redirect": error(302, f"Location: http://[{KEY}"),
    "silence": silent,
    "reset": resetting_after(b""),
    "no HTTP": saying(KEY.encode() + b"\r\n\r\n"),
    "too big": saying(http_answer(201, KEY.encode() * 500_000)),
}


@pytest.mark.parametrize("ask", [trigger, fetch])
@pytest.mark.parametrize("case", LEAKY)
def test_the_key_is_in_no_error_traceback_or_log(case: str, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """Not even when the server sends it back and every local variable is printed."""
    caplog.set_level(logging.INFO)
    with ScriptedServer(LEAKY[case]) as server, client(server.url, timeout_s=SHORT_S) as checkly:
        try:
            outcome: Any = ask(checkly)
        except ChecklyError as raised:
            outcome = raised
            shown = "".join(traceback.TracebackException.from_exception(raised, capture_locals=True).format())
            assert KEY not in shown
        assert KEY not in repr(checkly)

    assert KEY not in f"{outcome} {outcome!r} {getattr(outcome, 'body', b'')!r} {getattr(outcome, 'raw', b'')!r}"
    assert KEY not in caplog.text


def test_the_key_is_not_logged_with_the_request(caplog: pytest.LogCaptureFixture) -> None:
    """Not even by the libraries underneath at their most talkative."""
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(saying(http_answer(200, documented.RETRIEVE_ANSWER))) as server, client(server.url) as checkly:
        fetch(checkly)

    assert "send_request_headers" in caplog.text
    assert KEY not in caplog.text


def test_the_key_is_not_shown_when_the_server_is_not_there() -> None:
    """The most common failure of all."""
    with ScriptedServer(silent) as server:
        address = server.url
    with client(address) as checkly, pytest.raises(NotSent) as raised:
        trigger(checkly)

    assert KEY not in "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
