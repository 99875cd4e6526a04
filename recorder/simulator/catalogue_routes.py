"""The endpoints around the sessions: checks, statuses, results, accounts and what else the official CLI asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from recorder.simulator.account import Account
from recorder.simulator.matching import is_uuid
from recorder.simulator.payloads import Payload, check_result_payload, wire_time
from recorder.simulator.refusals import bad_request, not_found
from recorder.simulator.sessions import Outcome, SessionPlan, SessionView, Try
from recorder.simulator.world import Check

WORLD_MADE_AT: Final = datetime.fromisoformat("2025-01-01T00:00:00+00:00")
RUNTIME_ID: Final = "2025.04"
RESULT_TYPES: Final = ("FINAL", "ATTEMPT", "ALL")
DEFAULT_PAGE: Final = 10
LARGEST_PAGE: Final = 100
MOST_DIGITS: Final = 9


async def get_account(request: Request, account: Account) -> Response:
    """Describe the calling account; another account's id is not found."""
    world = account.world
    if request.path_params["account_id"].lower() != world.account_id:
        raise not_found("No such account.")
    return JSONResponse(
        {
            "id": world.account_id,
            "name": world.account_name,
            "runtimeId": RUNTIME_ID,
            "plan": "TEAM",
            "planDisplayName": "Team",
            "addons": {},
            "features": [],
        }
    )


async def list_checks(request: Request, account: Account) -> Response:
    """List checks as a plain array; the total is in `Content-Range`, as the official CLI reads it."""
    limit = _bounded(request, "limit", default=DEFAULT_PAGE, largest=LARGEST_PAGE)
    page = _bounded(request, "page", default=1)
    with_group = request.query_params.get("applyGroupSettings", "false") == "true"
    found = [check for check in account.world.checks if _is_wanted(request, account, check)]
    first = (page - 1) * limit
    shown = [_check_payload(check, with_group_settings=with_group) for check in found[first : first + limit]]
    content_range = f"items {first}-{first + len(shown) - 1}/{len(found)}" if shown else f"items */{len(found)}"
    return JSONResponse(shown, headers={"Content-Range": content_range})


def _is_wanted(request: Request, account: Account, check: Check) -> bool:
    """Apply the filters of the list: every `tag`, `checkType`, `search` in the name, and `status`."""
    query = request.query_params
    tags = [tag for name in ("tag", "tag[]") for value in query.getlist(name) for tag in value.split(",")]
    if not set(tags) <= check.all_tags or query.get("checkType", check.check_type) != check.check_type:
        return False
    if query.get("search", "").lower() not in check.name.lower():
        return False
    return "status" not in query or query["status"] == _status_word(account.last_finished(check.check_id))


def _status_word(view: SessionView | None) -> str | None:
    if view is None:
        return None
    return {"PASSED": "passing", "DEGRADED": "degraded"}.get(view.status, "failing")


async def get_check(request: Request, account: Account) -> Response:
    """Describe one check."""
    return JSONResponse(_check_payload(_find_check(request, account), with_group_settings=False))


def _check_payload(check: Check, *, with_group_settings: bool) -> Payload:
    tags = check.all_tags if with_group_settings else check.tags
    return {
        "id": check.check_id,
        "name": check.name,
        "description": None,
        "checkType": check.check_type,
        "activated": check.activated,
        "muted": check.muted,
        "frequency": check.frequency_minutes,
        "frequencyOffset": 0,
        "locations": list(check.locations),
        "privateLocations": list(check.private_locations),
        "tags": sorted(tags),
        "groupId": None if check.group is None else check.group.group_id,
        "groupOrder": None if check.group is None else 1,
        "runParallel": check.run_parallel,
        "retryStrategy": {
            "type": "FIXED",
            "baseBackoffSeconds": check.backoff_ms // 1000,
            "maxRetries": check.max_retries,
            "sameRegion": check.run_parallel,
        },
        "runtimeId": RUNTIME_ID,
        "scriptPath": check.script_path,
        **({} if check.url is None else {"request": {"url": check.url, "method": "GET"}}),
        "created_at": wire_time(WORLD_MADE_AT),
        "updated_at": wire_time(WORLD_MADE_AT),
    }


async def list_check_statuses(_request: Request, account: Account) -> Response:
    """List the status of every check that has run."""
    views = [account.last_finished(check.check_id) for check in account.world.checks]
    return JSONResponse([_check_status_payload(view) for view in views if view is not None])


async def get_check_status(request: Request, account: Account) -> Response:
    """Show the status of one check; a check that never ran has none."""
    check = _find_check(request, account)
    view = account.last_finished(check.check_id)
    if view is None:
        raise not_found("No such check status.")
    return JSONResponse(_check_status_payload(view))


def _check_status_payload(view: SessionView) -> Payload:
    finals = [one for one in view.tries if one.result_type == "FINAL"]
    last = max(finals, key=lambda one: one.stopped_ms)
    return {
        "name": view.plan.check.name,
        "checkId": view.plan.check.check_id,
        "hasFailures": any(one.outcome is Outcome.FAILED for one in finals),
        "hasErrors": any(one.outcome is Outcome.ERROR for one in finals),
        "isDegraded": view.status == "DEGRADED",
        "longestRun": max(round(one.response_time_ms) for one in finals),
        "shortestRun": min(round(one.response_time_ms) for one in finals),
        "lastRunLocation": last.location,
        "lastCheckRunId": last.result_id,
        "sslDaysRemaining": None,
        "created_at": wire_time(WORLD_MADE_AT),
        "updated_at": wire_time(view.plan.at(last.stopped_ms)),
    }


async def list_error_groups(request: Request, account: Account) -> Response:
    """List no error groups: the simulator keeps none, and the official CLI asks."""
    _find_check(request, account)
    return JSONResponse([])


async def list_check_results(request: Request, account: Account) -> Response:
    """Page through a check's results, newest first; `nextId` is the id of the next page's first result.

    `from` (inclusive) and `to` (exclusive) are unix seconds on the result's start. No more results: `nextId` null.
    """
    check = _find_check(request, account)
    limit = _bounded(request, "limit", default=DEFAULT_PAGE, largest=LARGEST_PAGE)
    wanted = list(_filtered(request, account.results_of(check.check_id)))
    first = _page_start(wanted, request.query_params.get("nextId"))
    page, rest = wanted[first : first + limit], wanted[first + limit :]
    entries = [_projected(request, check_result_payload(plan, one)) for plan, one in page]
    next_id = rest[0][1].result_id if rest else None
    return JSONResponse({"length": len(entries), "entries": entries, "nextId": next_id})


def _filtered(request: Request, results: Sequence[tuple[SessionPlan, Try]]) -> Iterator[tuple[SessionPlan, Try]]:
    query = request.query_params
    result_type = query.get("resultType", "FINAL")
    if result_type not in RESULT_TYPES:
        raise bad_request(f'"resultType" must be one of [{", ".join(RESULT_TYPES)}]')
    since, until = _unix_seconds(request, "from", 0.0), _unix_seconds(request, "to", float("inf"))
    for plan, one in results:
        is_in_time = since <= plan.at(one.started_ms).timestamp() < until
        is_of_type = result_type in ("ALL", one.result_type)
        is_there = query.get("location", one.location) == one.location
        has_failed = "true" if one.outcome is Outcome.FAILED else "false"
        if is_in_time and is_of_type and is_there and query.get("hasFailures", has_failed) == has_failed:
            yield plan, one


def _page_start(results: Sequence[tuple[SessionPlan, Try]], next_id: str | None) -> int:
    if next_id is None:
        return 0
    for place, (_, one) in enumerate(results):
        if one.result_id == next_id:
            return place
    raise bad_request('"nextId" is not a known cursor')


def _projected(request: Request, payload: Payload) -> Payload:
    fields = [name for value in request.query_params.getlist("fields") for name in value.split(",")]
    return {name: payload[name] for name in fields if name in payload} if fields else payload


async def get_check_result(request: Request, account: Account) -> Response:
    """Show one result in full."""
    check = _find_check(request, account)
    result_id = request.path_params["check_result_id"]
    if not is_uuid(result_id):
        raise bad_request('"checkResultId" must be a valid GUID')
    for plan, one in account.results_of(check.check_id):
        if one.result_id == result_id.lower():
            return JSONResponse(check_result_payload(plan, one))
    raise not_found("No such check result.")


def _find_check(request: Request, account: Account) -> Check:
    check_id = request.path_params["check_id"]
    if not is_uuid(check_id):
        raise bad_request('"checkId" must be a valid GUID')
    check = account.world.find(check_id.lower())
    if check is None:
        raise not_found("No such check.")
    return check


def _bounded(request: Request, name: str, *, default: int, largest: int | None = None) -> int:
    text = request.query_params.get(name, str(default))
    number = int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else 0
    if not 1 <= number <= (largest or number):
        raise bad_request(f'"{name}" must be an integer from 1' + ("" if largest is None else f" to {largest}"))
    return number


def _unix_seconds(request: Request, name: str, default: float) -> float:
    try:
        return float(request.query_params.get(name, default))
    except ValueError as error:
        raise bad_request(f'"{name}" must be a number of seconds') from error
