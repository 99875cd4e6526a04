"""Pure: what an HTTP answer of Checkly, or the lack of one, means: each becomes the error that says what to do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from recorder.errors import BadAnswer, ChecklyError, MalformedPayload, NoSuchThing, PerhapsSent, Refused, TryLater
from recorder.json_fields import load_json
from recorder.payloads import SessionSnapshot, parse_session

QUOTE_LIMIT: Final = 120
"""Characters quoted of what a server says."""
_SHORTEST_SECRET: Final = 8
"""A shorter key (a simulator's "x") is no secret, and cutting it out would garble every text."""
_HIDDEN: Final = "[key]"
_ADVICE: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "check CHECKLY_API_KEY",
    HTTPStatus.PAYMENT_REQUIRED: "the plan of the account does not include this; waiting does not help",
    HTTPStatus.FORBIDDEN: "check CHECKLY_ACCOUNT_ID, and the role and rights of the key",
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What keeps an answer from being read: a reason of the ledger's closed list, and a sentence's worth of text."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came. `status` is None when none came; `said` is the server's message, cleaned, may be empty.

    `body` holds at most the cap, free of the API key; with a `flaw` it is what came before or in spite of it.
    """

    asked: str
    status: int | None
    body: bytes = b""
    said: str = ""
    is_html: bool = False
    retry_after_s: float | None = None
    flaw: Flaw | None = None

    @property
    def is_complete(self) -> bool:
        """Whether this is a success whose body came whole."""
        return self.flaw is None and self.is_success

    @property
    def is_success(self) -> bool:
        """Whether the status line says 2xx."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_refusal(self) -> bool:
        """Whether the status line says 3xx or 4xx: not acted on, and asking the same again does not help.

        408 is not one of them: whoever gave up waiting may have been waiting for the answer.
        """
        return (
            self.status is not None
            and HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
            and self.status not in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
        )

    @property
    def summary(self) -> str:
        """For a message: what was asked and what came, as in "POST /v2/...: 401, Bad Token"."""
        came = [str(self.status)] if self.status is not None else []
        if self.is_html:
            came.append("an HTML page")
        elif self.flaw is not None and (self.is_success or self.status is None):
            came.append(self.flaw.text)
        elif self.said:
            came.append(self.said)
        return f"{self.asked}: {', '.join(came)}"


def trigger_error(answer: Answer) -> ChecklyError:
    """The error of a trigger that was neither answered well nor by a 404 from Checkly."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _rate_limited(answer)
    if answer.is_refusal:
        return _refused(answer)
    return PerhapsSent(
        f"{answer.summary} (sessions may have started; the trigger is not sent again)",
        reason=_reason(answer),
        http_status=answer.status,
        retry_after_s=answer.retry_after_s,
        body=answer.body,
    )


def read_error(answer: Answer) -> ChecklyError:
    """The error of a read (or a cancel) that did not succeed; asking again does no harm."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _rate_limited(answer)
    if answer.status == HTTPStatus.NOT_FOUND:
        if answer.is_html:
            return bad_answer(answer, "this page is not Checkly's; check base_url and the proxy")
        summary = f"{answer.summary} (Checkly knows no such id)"
        return NoSuchThing(summary, reason="not_found", http_status=answer.status)
    if answer.is_refusal:
        return _refused(answer)
    reason = _reason(answer)
    if reason == "bad_body":
        return bad_answer(answer, "cannot be read")
    return TryLater(
        f"{answer.summary} (ask again later)",
        reason=reason,
        http_status=answer.status,
        retry_after_s=answer.retry_after_s,
    )


def bad_answer(answer: Answer, why: str) -> BadAnswer:
    """A read's answer that cannot be used, and why."""
    return BadAnswer(f"{answer.summary} ({why})", reason="bad_body", http_status=answer.status)


def session_of(answer: Answer, asked_for: UUID) -> SessionSnapshot:
    """The session of a good answer. Raises BadAnswer when it cannot be read or is another one than was asked for."""
    try:
        snapshot = parse_session(load_json(answer.body))
    except MalformedPayload as error:
        raise bad_answer(answer, str(error)) from None
    if snapshot.check_session_id != asked_for:
        raise bad_answer(answer, "this is another session than the one asked for")
    return snapshot


def looks_like_html(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this came from a proxy or a portal rather than from an API."""
    return "html" in headers.get("content-type", "").lower() or body[:100].lstrip().startswith(b"<")


def server_message(body: bytes, *, secret: str) -> str:
    """What a JSON error says of itself (`message`, else `error`), fit to be quoted; "" when it says nothing."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    texts = (document.get(field) for field in ("message", "error"))
    return next((quotable(text, secret=secret) for text in texts if isinstance(text, str) and text), "")


def quotable(text: str, *, secret: str) -> str:
    """One line of at most 120 printable characters of somebody else's text, without the key."""
    if len(secret) >= _SHORTEST_SECRET:
        text = text.replace(secret, _HIDDEN)
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= QUOTE_LIMIT else f"{line[: QUOTE_LIMIT - 1]}\N{HORIZONTAL ELLIPSIS}"


def without_secret(body: bytes, secret: str) -> bytes:
    """The body with the key cut out, should a server have echoed it: bodies are kept for ever."""
    if len(secret) < _SHORTEST_SECRET:
        return body
    return body.replace(secret.encode("ascii"), _HIDDEN.encode("ascii"))


def _rate_limited(answer: Answer) -> TryLater:
    return TryLater(
        f"{answer.summary} (rate limited; ask again later)",
        reason="rate_limited",
        http_status=answer.status,
        retry_after_s=answer.retry_after_s,
    )


def _refused(answer: Answer) -> Refused:
    status = answer.status or 0
    if status < HTTPStatus.BAD_REQUEST:
        advice = "a redirect is never followed with a key; check base_url"
        return Refused(f"{answer.summary} ({advice})", reason="redirect", http_status=status)
    advice = _ADVICE.get(status, "the request itself is refused; check the target, api_version and base_url")
    reason = str(status) if status in _ADVICE else "400"
    return Refused(f"{answer.summary} ({advice})", reason=reason, http_status=status)


def _reason(answer: Answer) -> str:
    """The word of the closed list for an answer that is neither a success nor a refusal."""
    status = answer.status
    if status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "http_5xx"
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return "read_timeout"
    return "bad_body" if answer.flaw is None else answer.flaw.reason
