"""The check session endpoints: trigger, retrieve, completion and cancel, v1 and v2."""

from __future__ import annotations

import json
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from recorder.simulator.account import Account, LiveSession
from recorder.simulator.checkly import SimulatedCheckly
from recorder.simulator.matching import ApiVersion, MalformedTargetError, is_uuid, parse_target, select_checks
from recorder.simulator.payloads import session_payload, session_payload_with_results
from recorder.simulator.refusals import (
    NO_MATCHING_CHECKS,
    NO_SUCH_SESSION,
    STILL_RUNNING,
    Refusal,
    bad_request,
    not_found,
)

LONGEST_WAIT_SECONDS: Final = 30


class SessionRoutes:
    """The handlers of one version of the API."""

    def __init__(self, checkly: SimulatedCheckly, version: ApiVersion) -> None:
        """Answer in the wire form of `version`."""
        self._checkly = checkly
        self._version = version

    async def trigger(self, request: Request, account: Account) -> Response:
        """Start a session of every check that the target selects: 201, or 404 when it selects none."""
        body = await self._read_json(request)
        try:
            target = parse_target(body, self._version)
        except MalformedTargetError as error:
            raise bad_request(str(error)) from error
        checks = select_checks(account.world.checks, target)
        if not checks:
            raise not_found(NO_MATCHING_CHECKS)
        sessions = account.start_sessions(checks)
        self._checkly.witness.note_trigger(
            received_at=self._checkly.clock.now(),
            path=request.url.path,
            account_id=account.world.account_id,
            headers=request.headers,
            body=body,
            check_session_ids=[session.plan.session_id for session in sessions],
        )
        payloads = [session_payload(session.view(), self._version) for session in sessions]
        return JSONResponse({"sessions": payloads}, status_code=201)

    async def retrieve(self, request: Request, account: Account) -> Response:
        """Show the session as of now, with the results it has."""
        session = self._find(request, account)
        return JSONResponse(session_payload_with_results(session.view(), self._version))

    async def completion(self, request: Request, account: Account) -> Response:
        """Hold the request until the session is final, or answer 408 after `maxWaitSeconds` (default 30)."""
        session = self._find(request, account)
        view = await session.wait_until_final(self._max_wait_seconds(request))
        if view.is_final:
            return JSONResponse(session_payload_with_results(view, self._version))
        if self._version == "v1":
            raise Refusal(408, STILL_RUNNING, error="Request Time-out", retry_after=1)
        raise Refusal(408, STILL_RUNNING, error="Request Time-out")

    async def cancel(self, request: Request, account: Account) -> Response:
        """Accept a cancellation: 204 whatever the type of the check, though only Playwright suites obey."""
        session = self._find(request, account)
        body = await self._read_json(request)
        session.cancel(_parse_sequence_ids(body))
        return Response(status_code=204)

    def _find(self, request: Request, account: Account) -> LiveSession:
        """Find the session of the path. v1 documents no 400 for reads, so a malformed id is just not found there."""
        session_id = request.path_params["check_session_id"]
        is_cancel = request.method == "POST"
        if not is_uuid(session_id) and (self._version == "v2" or is_cancel):
            raise bad_request('"checkSessionId" must be a valid GUID')
        session = account.find_session(session_id)
        if session is None:
            raise not_found(NO_SUCH_SESSION)
        return session

    async def _read_json(self, request: Request) -> object:
        """Decode the body; None when there is none, which only a v1 trigger takes."""
        raw = await request.body()
        if not raw.strip():
            return None
        try:
            body: object = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise bad_request("Invalid request payload JSON format") from error
        if body is None:
            raise bad_request('"body" must be of type object')
        return body

    def _max_wait_seconds(self, request: Request) -> float:
        text = request.query_params.get("maxWaitSeconds", str(LONGEST_WAIT_SECONDS))
        try:
            seconds = float(int(text)) if self._version == "v2" else float(text)
        except ValueError as error:
            kind = "an integer" if self._version == "v2" else "a number"
            raise bad_request(f'"maxWaitSeconds" must be {kind}') from error
        if not 1 <= seconds <= LONGEST_WAIT_SECONDS:
            raise bad_request(f'"maxWaitSeconds" must be between 1 and {LONGEST_WAIT_SECONDS}')
        return seconds


def _parse_sequence_ids(body: object) -> frozenset[str] | None:
    if not isinstance(body, dict):
        raise bad_request('"body" must be of type object')
    unknown = body.keys() - {"sequenceId"}
    if unknown:
        raise bad_request(f'"{min(unknown)}" is not allowed')
    if "sequenceId" not in body:
        return None
    ids = body["sequenceId"]
    if not isinstance(ids, list) or not ids or not all(is_uuid(one) for one in ids):
        raise bad_request('"sequenceId" must be an array of at least one GUID')
    return frozenset(one.lower() for one in ids)
