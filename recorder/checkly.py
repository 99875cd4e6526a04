"""Speaks HTTP with Checkly: sends a request once, turns its answer into a snapshot or an error that says what to do.

Nothing is retried here and nothing is logged; whoever asked knows whether asking again is safe. No other module imports
httpx; `deadlines.py` is the network beneath it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from http import HTTPStatus
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias, cast
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx

from recorder import __version__
from recorder.access import ChecklyAccess
from recorder.answers import (
    Answer,
    Flaw,
    bad_answer,
    looks_like_html,
    quotable,
    read_error,
    server_message,
    session_of,
    trigger_error,
    without_secret,
)
from recorder.check_results import CheckResultEntry, CheckResultPage, parse_check_result, parse_check_result_page
from recorder.clock import Clock, Monotonic, monotonic, utc_now
from recorder.deadlines import (
    DeadlineConnection,
    ExchangeError,
    NothingSent,
    Proxy,
    RawAnswer,
    flaw_of,
)
from recorder.errors import MalformedPayload, NoSuchThing, NotSent
from recorder.json_fields import load_json
from recorder.payloads import SessionSnapshot, StillRunning, TriggerAnswer, parse_trigger_answer
from recorder.retry_after import http_date, retry_after_s
from recorder.targets import require_safe_body

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""Bytes read of one answer; a longer one is given up."""
COMPLETION_GRACE_S: Final = 10.0
"""Seconds granted on top of the wait that a completion request asks for."""
MAX_WAIT_S: Final = 30
"""The longest wait that `completion` accepts, in seconds."""
_public_authorities: Final = cache(partial(httpx.create_ssl_context, trust_env=False))
"""One context for all clients of a process: each would take 20 ms and 0.7 MB."""

ResultType: TypeAlias = Literal["FINAL", "ATTEMPT", "ALL"]


class DeadlineTransport(httpx.BaseTransport):
    """One connection for one thread; httpx's `timeout=` becomes the budget in seconds of the whole exchange.

    A request's path and query are those of httpx's extension `target` when it has one. Raises the errors of
    `DeadlineConnection.send`, also while a body is read.
    """

    def __init__(self, connection: DeadlineConnection) -> None:
        self._connection = connection

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body of the response is read under the same budget."""
        answer = self._connection.send(
            request.method,
            str(request.url),
            request.extensions.get("target") or request.url.raw_path,
            headers=request.headers.raw,
            content=cast("httpx.SyncByteStream", request.stream),
            budget_s=request.extensions["timeout"]["read"],
        )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=dict(answer.extensions)
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: RawAnswer) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        self._answer.close()


class ChecklyClient:
    """One connection to Checkly, owned by one thread; a context manager.

    Reads raise TryLater (429, 5xx, no answer in time), NotSent (no connection), Refused (400, 401, 402, 403, redirect),
    NoSuchThing (404) or BadAnswer (unreadable, or about something else than asked).
    """

    def __init__(
        self,
        access: ChecklyAccess,
        *,
        monotonic: Monotonic = monotonic,
        now: Clock = utc_now,
        on_date: Callable[[datetime], None] = lambda _: None,
    ) -> None:
        """Open nothing yet; `on_date` hears what each answer says the time is at Checkly, as it arrives.

        Raises ConfigError when the CA file cannot be used.
        """
        self._access = access
        self._monotonic = monotonic
        self._now = now
        self._on_date = on_date
        self._base_url = httpx.URL(access.base_url.rstrip("/"))
        self._prefix = self._base_url.raw_path.rstrip(b"/")
        self._tls = (access.tls_context() or _public_authorities()) if access.is_encrypted else None
        self._headers = httpx.Headers(
            {
                "Authorization": f"Bearer {access.api_key}",
                "X-Checkly-Account": str(access.account_id),
                "User-Agent": f"checkly-session-recorder/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            }
        )
        self._question = httpx.Request("GET", self._base_url, headers=self._headers)
        self._http = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def trigger(self, body: bytes, *, allow_everything: bool = False) -> TriggerAnswer:
        """POST what `Target.request_body` built, once, over a connection of its own; no sessions = nothing matched.

        Raises ConfigError before anything is sent when the body chooses nothing (unless `allow_everything`); NotSent
        when no byte left this machine; TryLater after 429; Refused; and PerhapsSent for everything that may have
        started sessions: it must never be sent again.
        """
        require_safe_body(body, allow_everything=allow_everything)
        path = f"/{self._access.api_version}/check-sessions/trigger"
        with self._open() as fresh:
            answer = self._exchange(fresh, "POST", path, content=body, budget_s=self._access.trigger_timeout_s)
        if answer.status == HTTPStatus.NOT_FOUND and not answer.is_html:
            return TriggerAnswer((), (), answer.status, answer.body)
        if answer.status is None or not answer.is_complete:
            raise trigger_error(answer)
        try:
            return parse_trigger_answer(answer.body, http_status=answer.status)
        except MalformedPayload as error:
            raise trigger_error(replace(answer, flaw=Flaw("bad_body", str(error)))) from None

    def fetch_session(self, check_session_id: UUID) -> SessionSnapshot:
        """The session as it stands, running or finished."""
        answer = self._read(f"/{self._access.api_version}/check-sessions/{check_session_id}")
        return session_of(answer, check_session_id)

    def fetch_completion(self, check_session_id: UUID, *, max_wait_s: int) -> SessionSnapshot | StillRunning:
        """Wait at the server, 1 to 30 seconds, until the session has finished; StillRunning if it has not by then."""
        wait_s = min(max(max_wait_s, 1), MAX_WAIT_S)
        answer = self._exchange(
            self._http,
            "GET",
            f"/{self._access.api_version}/check-sessions/{check_session_id}/completion",
            params={"maxWaitSeconds": str(wait_s)},
            budget_s=wait_s + min(COMPLETION_GRACE_S, self._access.timeout_s),
        )
        if answer.status == HTTPStatus.REQUEST_TIMEOUT:
            return StillRunning(answer.retry_after_s)
        if not answer.is_complete:
            raise read_error(answer)
        return session_of(answer, check_session_id)

    def cancel_session(self, check_session_id: UUID) -> None:
        """Ask Checkly to cancel the session; only Playwright suites obey. Asking twice is safe."""
        path = f"/v1/check-sessions/{check_session_id}/cancel"  # v2 has no such route
        answer = self._exchange(self._http, "POST", path, content=b"{}", budget_s=self._access.timeout_s)
        if not answer.is_success:
            raise read_error(answer)

    def fetch_check_results(
        self, check_id: UUID, *, start: datetime, end: datetime, result_type: ResultType = "ALL", limit: int = 100
    ) -> Iterator[CheckResultEntry]:
        """Every result of a check in at least [start, end), page after page; ends at the last or a repeated cursor.

        Lazy: errors come while iterating. Raises BadAnswer after the last readable entry if some could not be read.
        """
        cursor: str | None = None
        ends: set[str | None] = {None}
        malformed = 0
        while True:
            page = self.fetch_check_result_page(
                check_id, start=start, end=end, result_type=result_type, limit=limit, cursor=cursor
            )
            yield from page.entries
            malformed += len(page.malformed)
            cursor = page.next_id
            if cursor in ends:
                break
            ends.add(cursor)
        if malformed:
            answer = Answer(asked=f"GET /v2/check-results/{check_id}", status=HTTPStatus.OK)
            raise bad_answer(answer, f"{malformed} entries cannot be read")

    def fetch_check_result_page(
        self,
        check_id: UUID,
        *,
        start: datetime,
        end: datetime,
        result_type: ResultType = "ALL",
        limit: int = 100,
        cursor: str | None = None,
    ) -> CheckResultPage:
        """One page of a check's results, for callers that pace themselves (60 requests a minute) or resume.

        The API counts in whole seconds, so up to a second on either side of [start, end) may come along.
        """
        params = {
            "from": str(math.floor(start.timestamp())),
            "to": str(math.ceil(end.timestamp())),
            "limit": str(limit),
            "resultType": result_type,
        }
        answer = self._read(
            f"/v2/check-results/{check_id}", params=params if cursor is None else {**params, "nextId": cursor}
        )
        try:
            return parse_check_result_page(answer.body)
        except MalformedPayload as error:
            raise bad_answer(answer, str(error)) from None

    def fetch_check_result(self, check_id: UUID, check_result_id: UUID) -> CheckResultEntry:
        """One result of a check, in full."""
        answer = self._read(f"/v1/check-results/{check_id}/{check_result_id}")
        try:
            entry = parse_check_result(load_json(answer.body))
        except MalformedPayload as error:
            raise bad_answer(answer, str(error)) from None
        if (entry.check_id, entry.check_result_id) != (check_id, check_result_id):
            raise bad_answer(answer, "this is another result than the one asked for")
        return entry

    def verify_access(self) -> None:
        """Ask for a session that cannot exist: a 404 proves that key, account and address are right. Starts nothing."""
        with suppress(NoSuchThing):
            self._read(f"/{self._access.api_version}/check-sessions/{uuid4()}")

    def _open(self) -> DeadlineTransport:
        """A transport without a client around it: no cookies, no redirects, nothing out of the environment."""
        proxy = httpx.Proxy(self._access.proxy) if self._access.proxy and self._access.is_encrypted else None
        connection = DeadlineConnection(
            monotonic=self._monotonic,
            ssl_context=self._tls,
            proxy=None if proxy is None else Proxy(str(proxy.url), proxy.raw_auth),
        )
        return DeadlineTransport(connection)

    def _read(self, path: str, *, params: Mapping[str, str] | None = None) -> Answer:
        answer = self._exchange(self._http, "GET", path, params=params, budget_s=self._access.timeout_s)
        if not answer.is_complete:
            raise read_error(answer)
        return answer

    def _exchange(
        self,
        http: DeadlineTransport,
        method: str,
        path: str,
        *,
        budget_s: float,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Send one request and read what comes, whatever it is. Raises NotSent when no byte left this machine."""
        asked = f"{method} {path}"
        request = self._question if content is None else self._order(content)
        request.method = method
        request.extensions = {"target": self._target(path, params), "timeout": {"read": budget_s}}
        try:
            with closing(http.handle_request(request)) as response:
                return self._answer(asked, response, budget_s)
        except NothingSent as error:
            detail = quotable(str(error), secret=self._access.api_key)
            raise NotSent(f"cannot reach {self._access.host}: {detail} (nothing was sent)", reason="network") from None
        except ExchangeError as error:
            return Answer(asked=asked, status=None, flaw=flaw_of(error, budget_s, lost="conn_reset"))

    def _order(self, content: bytes) -> httpx.Request:
        headers = {**self._headers, "Content-Type": "application/json"}
        return httpx.Request("POST", self._base_url, headers=headers, content=content)

    def _target(self, path: str, params: Mapping[str, str] | None) -> bytes:
        """The path and the query on the wire; the server's own URL is parsed once, which takes as long as all this."""
        query = f"?{urlencode(params)}" if params else ""
        return self._prefix + f"{path}{query}".encode("ascii")

    def _answer(self, asked: str, response: httpx.Response, budget_s: float) -> Answer:
        key = self._access.api_key
        date = http_date(response.headers.get("date"))
        if date is not None:
            self._on_date(date)
        raw, flaw = _read_body(response, budget_s)
        if flaw is None and response.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
            flaw = Flaw("bad_body", "a compressed body, which was not asked for")
        body = without_secret(raw, key)
        return Answer(
            asked=asked,
            status=response.status_code,
            body=body,
            said="" if flaw or response.is_success else server_message(body, secret=key),
            is_html=looks_like_html(response.headers, body),
            retry_after_s=retry_after_s(response.headers.get("retry-after"), date or self._now()),
            flaw=flaw,
        )


def _read_body(response: httpx.Response, budget_s: float) -> tuple[bytes, Flaw | None]:
    """The body as it came over the wire, up to the cap, and what cut it short."""
    body = bytearray()
    try:
        for piece in cast("httpx.SyncByteStream", response.stream):
            body += piece
            if len(body) > MAX_BODY_BYTES:
                return bytes(body[:MAX_BODY_BYTES]), Flaw("bad_body", f"longer than {MAX_BODY_BYTES} bytes")
    except ExchangeError as error:
        return bytes(body), flaw_of(error, budget_s, lost="bad_body")
    return bytes(body), None
