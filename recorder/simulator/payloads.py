"""The wire forms of sessions and their results, v1 and v2."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from recorder.simulator.matching import ApiVersion
from recorder.simulator.sessions import Outcome, SessionPlan, SessionView, Try

APP_URL: Final = "https://app.checklyhq.com"

Payload = dict[str, Any]


def wire_time(at: datetime) -> str:
    """Write an aware UTC datetime as Checkly does: milliseconds and `Z`."""
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def session_payload(view: SessionView, version: ApiVersion) -> Payload:
    """Write a session without results, as trigger answers it.

    v1 leaves out `runSource`, and `stoppedAt` while the session runs; it calls a cancelled session TIMED_OUT.
    """
    plan = view.plan
    payload: Payload = {
        "checkSessionId": plan.session_id,
        "checkSessionLink": session_link(plan),
        "checkId": plan.check.check_id,
        "checkType": plan.check.check_type,
        "name": plan.check.name,
        "status": view.status,
        "startedAt": wire_time(plan.started_at),
        "stoppedAt": wire_time(plan.at(view.elapsed_ms)) if view.is_final else None,
        "timeElapsed": view.elapsed_ms,
        "runLocations": list(plan.run_locations),
        "runSource": plan.run_source,
    }
    return payload if version == "v2" else _as_v1_session(payload)


def _as_v1_session(payload: Payload) -> Payload:
    del payload["runSource"]
    if payload["stoppedAt"] is None:
        del payload["stoppedAt"]
    if payload["status"] == "CANCELLED":
        payload["status"] = "TIMED_OUT"
    return payload


def session_payload_with_results(view: SessionView, version: ApiVersion) -> Payload:
    """Write a session with the results it has so far, as retrieve and completion answer it.

    A v1 result has no times of its own: `responseTime`, `startedAt` and `stoppedAt` are left out.
    """
    payload = session_payload(view, version)
    link = payload["checkSessionLink"]
    results = [_result_payload(view.plan, one, link) for one in view.tries]
    if version == "v1":
        for result in results:
            del result["responseTime"], result["startedAt"], result["stoppedAt"]
    payload["results"] = results
    return payload


def _result_payload(plan: SessionPlan, one: Try, link: str) -> Payload:
    is_cancelled = one.outcome is Outcome.CANCELLED
    return {
        "checkResultId": one.result_id,
        "checkResultLink": f"{link}/results/{one.result_id}",
        "checkId": plan.check.check_id,
        "checkType": plan.check.check_type,
        "name": plan.check.name,
        "runLocation": one.location,
        "resultType": one.result_type,
        "hasErrors": one.outcome is Outcome.ERROR,
        "hasFailures": one.outcome is Outcome.FAILED,
        "isDegraded": one.outcome is Outcome.DEGRADED,
        "aborted": is_cancelled,
        "isCancelled": is_cancelled,
        "responseTime": one.response_time_ms,
        "startedAt": wire_time(plan.at(one.started_ms)),
        "stoppedAt": wire_time(plan.at(one.stopped_ms)),
    }


def session_link(plan: SessionPlan) -> str:
    """Point to the session's page in Checkly's web application."""
    return f"{APP_URL}/accounts/{plan.account_id}/checks/{plan.check.check_id}/check-sessions/{plan.session_id}"


def check_result_payload(plan: SessionPlan, one: Try) -> Payload:
    """Write a result as the check-results endpoints do: it carries no session id."""
    api_result = _api_check_result(plan, one) if plan.check.check_type == "API" else None
    return {
        "id": one.result_id,
        "name": plan.check.name,
        "checkId": plan.check.check_id,
        "hasFailures": one.outcome is Outcome.FAILED,
        "hasErrors": one.outcome is Outcome.ERROR,
        "isDegraded": one.outcome is Outcome.DEGRADED,
        "isCancelled": one.outcome is Outcome.CANCELLED,
        "overMaxResponseTime": False,
        "runLocation": one.location,
        "startedAt": wire_time(plan.at(one.started_ms)),
        "stoppedAt": wire_time(plan.at(one.stopped_ms)),
        "created_at": wire_time(plan.at(one.stopped_ms)),
        "responseTime": one.response_time_ms,
        "apiCheckResult": api_result,
        "browserCheckResult": None,
        "multiStepCheckResult": None,
        "agenticCheckResult": None,
        "playwrightCheckResult": None,
        "tracerouteCheckResult": None,
        "grpcCheckResult": None,
        "sslCheckResult": None,
        "checkRunId": int(plan.session_id[:8], 16),
        "attempts": one.number,
        "resultType": one.result_type,
        "sequenceId": plan.sequence_id(one.chain),
        "traceId": None,
        "errorGroupIds": [],
    }


def _api_check_result(plan: SessionPlan, one: Try) -> Payload:
    status, text = (503, "Service Unavailable") if one.outcome.is_failing else (200, "OK")
    return {
        "assertions": [{"source": "STATUS_CODE", "comparison": "EQUALS", "target": "200"}],
        "request": {"method": "GET", "url": plan.check.url or "", "data": "", "headers": {}, "params": {}},
        "response": {
            "status": status,
            "statusText": text,
            "body": "",
            "headers": {"content-type": "application/json"},
            "timings": None,
            "timingPhases": None,
        },
        "requestError": None,
        "jobLog": None,
        "jobAssets": None,
        "pcapDataUrl": None,
    }
