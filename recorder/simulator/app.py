"""The simulator as an ASGI application: which path is served by which handler."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from recorder.simulator import catalogue_routes as catalogue
from recorder.simulator.account import Account
from recorder.simulator.checkly import SimulatedCheckly
from recorder.simulator.faults import Fault
from recorder.simulator.matching import ApiVersion
from recorder.simulator.refusals import Refusal, bad_request, not_found
from recorder.simulator.session_routes import SessionRoutes
from recorder.simulator.wire_faults import FaultLayer
from recorder.simulator.witness import route_of

Handler = Callable[[Request, Account], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]
API_VERSIONS: Final[tuple[ApiVersion, ...]] = ("v1", "v2")


def build_app(checkly: SimulatedCheckly) -> FaultLayer:
    """Build the application: the API behind its fault layer, and the simulator's own `/_sim/` routes."""
    routes = [*_session_routes(checkly), *_catalogue_routes(checkly), *_admin_routes(checkly)]
    starlette = Starlette(routes=routes, exception_handlers={404: _unknown_path, 405: _unknown_path})
    return FaultLayer(starlette, checkly)


def _admitted(checkly: SimulatedCheckly, handler: Handler) -> Endpoint:
    """Let only admitted requests reach the handler, and write its refusals."""

    async def endpoint(request: Request) -> Response:
        try:
            account = checkly.admit(request.headers, route_of(request.method, request.url.path))
            return await handler(request, account)
        except Refusal as refusal:
            return refusal.response()

    return endpoint


def _session_routes(checkly: SimulatedCheckly) -> list[Route]:
    routes: list[Route] = []
    for version in API_VERSIONS:
        sessions, root = SessionRoutes(checkly, version), f"/{version}/check-sessions"
        one = root + "/{check_session_id}"
        routes += [
            Route(f"{root}/trigger", _admitted(checkly, sessions.trigger), methods=["POST"]),
            Route(f"{one}/completion", _admitted(checkly, sessions.completion), methods=["GET"]),
            Route(one, _admitted(checkly, sessions.retrieve), methods=["GET"]),
        ]
    cancel = SessionRoutes(checkly, "v1").cancel
    return [
        *routes,
        Route("/v1/check-sessions/{check_session_id}/cancel", _admitted(checkly, cancel), methods=["POST"]),
    ]


def _catalogue_routes(checkly: SimulatedCheckly) -> list[Route]:
    handlers: dict[str, Handler] = {
        "/v2/check-results/{check_id}": catalogue.list_check_results,
        "/v1/check-results/{check_id}/{check_result_id}": catalogue.get_check_result,
        "/v1/checks": catalogue.list_checks,
        "/v1/checks/{check_id}": catalogue.get_check,
        "/v1/check-statuses": catalogue.list_check_statuses,
        "/v1/check-statuses/{check_id}": catalogue.get_check_status,
        "/v1/error-groups/checks/{check_id}": catalogue.list_error_groups,
        "/next/accounts/{account_id}": catalogue.get_account,
    }
    return [Route(path, _admitted(checkly, handler), methods=["GET"]) for path, handler in handlers.items()]


def _admin_routes(checkly: SimulatedCheckly) -> list[Route]:
    async def add_faults(request: Request) -> Response:
        try:
            posted: Any = json.loads(await request.body())
            faults = [Fault.from_json(one) for one in (posted if isinstance(posted, list) else [posted])]
        except ValueError as error:
            return bad_request(str(error)).response()
        for fault in faults:
            checkly.faults.add(fault)
        return JSONResponse(_waiting(checkly), status_code=201)

    async def list_faults(_request: Request) -> Response:
        return JSONResponse(_waiting(checkly))

    async def clear_faults(_request: Request) -> Response:
        checkly.faults.clear()
        return Response(status_code=204)

    async def testify(_request: Request) -> Response:
        return JSONResponse(checkly.witness.testify().as_json())

    return [
        Route("/_sim/faults", add_faults, methods=["POST"]),
        Route("/_sim/faults", list_faults, methods=["GET"]),
        Route("/_sim/faults", clear_faults, methods=["DELETE"]),
        Route("/_sim/witness", testify, methods=["GET"]),
    ]


def _waiting(checkly: SimulatedCheckly) -> dict[str, Any]:
    return {"faults": [fault.as_json() for fault in checkly.faults.waiting()]}


async def _unknown_path(_request: Request, _error: Exception) -> Response:
    return not_found().response()
