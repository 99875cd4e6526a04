"""What a server's words and headers are taken for."""

import json

import pytest

from recorder.answers import (
    Answer,
    Flaw,
    looks_like_html,
    quotable,
    server_message,
    without_secret,
)

KEY = "cu_0123456789abcdef"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"statusCode": 401, "error": "Unauthorized", "message": "Bad Token"}', "Bad Token"),
        (b'{"statusCode": 401, "error": "Unauthorized"}', "Unauthorized"),
        (b'{"statusCode": 404}', ""),
        (b'{"message": ["a", "list"], "error": 5}', ""),
        (b'["message"]', ""),
        (b"<html><body>Bad Gateway</body></html>", ""),
        (b"", ""),
        (b"[" * 100_000, ""),
        (json.dumps({"message": "one\r\ntwo\x1b[31m\u202ethree\x00"}).encode(), "one two [31m three"),
        (json.dumps({"message": f"no such key {KEY}."}).encode(), "no such key [key]."),
        (json.dumps({"message": "a" * 500}).encode(), "a" * 119 + "…"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_servers_message_is_quoted_in_one_short_clean_line(body: bytes, message: str) -> None:
    """It ends up in a terminal and in a database."""
    assert server_message(body, secret=KEY) == message


def test_a_key_that_the_cut_would_halve_is_hidden_first() -> None:
    """Half a key is a hint."""
    assert KEY[:4] not in quotable("x" * 115 + KEY, secret=KEY)


def test_a_key_that_a_server_echoes_is_cut_out_of_the_body() -> None:
    """Raw bodies are kept for ever."""
    assert without_secret(f'{{"a":"{KEY}"}}'.encode(), KEY) == b'{"a":"[key]"}'


def test_a_simulators_one_letter_key_does_not_garble_the_body() -> None:
    """Every x of every payload would be replaced."""
    assert without_secret(b'{"max":1}', "x") == b'{"max":1}'


@pytest.mark.parametrize(
    ("headers", "body", "is_html"),
    [
        ({"content-type": "text/html; charset=utf-8"}, b"", True),
        ({}, b"\r\n <!DOCTYPE html>", True),
        ({"content-type": "application/json"}, b'{"message":"<b>"}', False),
        ({}, b"", False),
    ],
)
def test_a_page_for_people_is_told_from_an_answer_for_programs(
    headers: dict[str, str], body: bytes, *, is_html: bool
) -> None:
    """Proxies and portals answer HTML, Checkly does not."""
    assert looks_like_html(headers, body) is is_html


@pytest.mark.parametrize(
    ("answer", "summary"),
    [
        (Answer("GET /x", 401, said="Bad Token"), "GET /x: 401, Bad Token"),
        (Answer("GET /x", 500), "GET /x: 500"),
        (Answer("GET /x", 502, is_html=True), "GET /x: 502, an HTML page"),
        (Answer("GET /x", None, flaw=Flaw("conn_reset", "the connection broke")), "GET /x: the connection broke"),
        (Answer("GET /x", 200, flaw=Flaw("bad_body", "cut")), "GET /x: 200, cut"),
        (Answer("GET /x", 500, flaw=Flaw("bad_body", "cut")), "GET /x: 500"),
    ],
)
def test_the_summary_says_what_was_asked_and_what_came(answer: Answer, summary: str) -> None:
    """The first half of every message."""
    assert answer.summary == summary
