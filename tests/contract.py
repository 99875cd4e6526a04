"""Checkly's documented answers, typed by hand as JSON Schemas.

Closed objects: a field that the reference does not name is an error here, because these schemas judge the simulator.
"""

from __future__ import annotations

from typing import Any, Final

from jsonschema import Draft202012Validator

Schema = dict[str, Any]


def an_object(required: Schema, optional: Schema | None = None) -> Schema:
    """Describe an object that has the required fields, perhaps the optional ones and nothing else."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": sorted(required),
        "additionalProperties": False,
    }


def a_list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(words: str) -> Schema:
    return {"enum": words.split()}


def problems(payload: object, schema: Schema) -> list[str]:
    """List where and how a payload breaks the schema; empty when it fits."""
    found = Draft202012Validator(schema).iter_errors(payload)
    return [f"{error.json_path}: {error.message}" for error in found]


UUID: Final = {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"}
TIME: Final = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
LINK: Final = {"type": "string", "pattern": "^https://app\\.checklyhq\\.com/accounts/"}
TEXT: Final = {"type": "string"}
NUMBER: Final = {"type": "number"}
BOOL: Final = {"type": "boolean"}
ANY_OBJECT: Final = {"type": "object"}

CHECK_TYPE_V1: Final = one_of("AGENTIC API BROWSER ICMP MULTI_STEP TCP PLAYWRIGHT TRACEROUTE URL DNS SSL GRPC")
CHECK_TYPE_V2: Final = one_of("HEARTBEAT " + " ".join(CHECK_TYPE_V1["enum"]))
FINAL_STATUS: Final = one_of("PASSED FAILED DEGRADED TIMED_OUT CANCELLED")
STATUS: Final = one_of("STARTED PROGRESS PROGRESS_FAILED PROGRESS_DEGRADED " + " ".join(FINAL_STATUS["enum"]))
RUN_SOURCE_V2: Final = nullable(
    one_of(
        "CLI_DEPLOY DEPLOYMENT DEPLOYMENT_CACHE_WARMER EDITOR GROUP_RUN_ALL LEGACY_TRIGGER SCHEDULER SCHEDULE_NOW"
        " TEST_NO_RECORD TEST_RECORD TRIGGER_NO_RECORD TRIGGER_RECORD TRIGGER_API"
    )
)
RUN_SOURCE_V1: Final = nullable({"enum": ["SLACK_RERUN", *RUN_SOURCE_V2["anyOf"][0]["enum"]]})

FLAGS: Final = dict.fromkeys(("hasErrors", "hasFailures", "isDegraded", "aborted", "isCancelled"), BOOL)
RESULT_TIMES: Final = {"responseTime": nullable(NUMBER), "startedAt": nullable(TIME), "stoppedAt": nullable(TIME)}
RESULT_IDS: Final = {"checkResultId": UUID, "checkResultLink": LINK, "checkId": UUID, "runLocation": TEXT}
RESULT_V1: Final = an_object(
    RESULT_IDS | FLAGS | {"checkType": CHECK_TYPE_V1, "resultType": nullable(one_of("FINAL ATTEMPT ALL"))},
    RESULT_TIMES | {"name": TEXT},
)
RESULT_V2: Final = an_object(
    RESULT_IDS | FLAGS | {"checkType": CHECK_TYPE_V2, "resultType": nullable(one_of("FINAL ATTEMPT")), "name": TEXT},
    RESULT_TIMES,
)

SESSION_IDS: Final = {"checkSessionId": UUID, "checkSessionLink": LINK, "checkId": UUID}
SESSION_TIMES: Final = {"startedAt": TIME, "timeElapsed": NUMBER, "runLocations": a_list_of(TEXT)}
SESSION_V1: Final = SESSION_IDS | SESSION_TIMES | {"checkType": CHECK_TYPE_V1}
SESSION_V2: Final = SESSION_IDS | SESSION_TIMES | {"checkType": CHECK_TYPE_V2, "runSource": RUN_SOURCE_V2}
MAYBE_V1: Final = {"name": TEXT, "runSource": RUN_SOURCE_V1}

TRIGGERED_V1: Final = an_object(SESSION_V1 | {"status": STATUS}, MAYBE_V1 | {"stoppedAt": nullable(TIME)})
TRIGGERED_V2: Final = an_object(SESSION_V2 | {"status": STATUS, "stoppedAt": nullable(TIME)}, {"name": TEXT})

RESULTS_V1: Final = {"results": a_list_of(RESULT_V1)}
RESULTS_V2: Final = {"results": a_list_of(RESULT_V2)}

CHECK_RESULT: Final = an_object(
    {"resultType": one_of("FINAL ATTEMPT ALL"), "traceId": nullable(TEXT)},
    {
        "id": TEXT,
        "name": TEXT,
        "checkId": TEXT,
        "hasFailures": BOOL,
        "hasErrors": BOOL,
        "isDegraded": nullable(BOOL),
        "isCancelled": BOOL,
        "overMaxResponseTime": nullable(BOOL),
        "runLocation": TEXT,
        "startedAt": nullable(TIME),
        "stoppedAt": nullable(TIME),
        "created_at": TIME,
        "responseTime": NUMBER,
        "checkRunId": NUMBER,
        "attempts": NUMBER,
        "sequenceId": nullable(UUID),
        "errorGroupIds": nullable(a_list_of(UUID)),
        "apiCheckResult": nullable(
            an_object(
                {},
                {
                    "assertions": nullable(a_list_of(ANY_OBJECT)),
                    "request": ANY_OBJECT,
                    "response": ANY_OBJECT,
                    "requestError": nullable(TEXT),
                    "jobLog": nullable(ANY_OBJECT),
                    "jobAssets": nullable({"type": "array"}),
                    "pcapDataUrl": nullable(TEXT),
                },
            )
        ),
    }
    | dict.fromkeys(
        (f"{kind}CheckResult" for kind in "browser multiStep agentic playwright traceroute grpc ssl".split()),
        nullable(ANY_OBJECT),
    ),
)
PROJECTED_RESULT: Final = CHECK_RESULT | {"required": []}
CHECK_RESULT_PAGE: Final = an_object(
    {"length": NUMBER}, {"entries": a_list_of(PROJECTED_RESULT), "nextId": nullable(TEXT)}
)

API_ERROR: Final = an_object({"statusCode": NUMBER, "error": TEXT, "message": TEXT})


def v1_error(status: int, error: str) -> Schema:
    """Describe a v1 error whose status and name are fixed and whose message may be absent."""
    return an_object(
        {"statusCode": {"const": status}, "error": {"const": error}}, {"message": TEXT, "attributes": ANY_OBJECT}
    )


def v1_loose_error(status: int) -> Schema:
    """Describe a v1 error that promises its status alone."""
    return an_object({"statusCode": {"const": status}}, {"error": TEXT, "message": TEXT})


V1_ERRORS: Final = {
    400: API_ERROR,
    401: v1_error(401, "Unauthorized"),
    402: v1_error(402, "Payment Required"),
    403: v1_error(403, "Forbidden"),
    404: v1_loose_error(404),
    408: v1_loose_error(408),
    429: v1_error(429, "Too Many Requests"),
}
ANSWERS: Final[dict[str, dict[str, Schema]]] = {
    "v1": {
        "trigger": an_object({"sessions": a_list_of(TRIGGERED_V1)}),
        "retrieve": an_object(SESSION_V1 | {"status": STATUS}, MAYBE_V1 | RESULTS_V1 | {"stoppedAt": nullable(TIME)}),
        "completion": an_object(SESSION_V1 | {"status": FINAL_STATUS, "stoppedAt": TIME}, MAYBE_V1 | RESULTS_V1),
    },
    "v2": {
        "trigger": an_object({"sessions": a_list_of(TRIGGERED_V2)}),
        "retrieve": an_object(
            SESSION_V2 | RESULTS_V2 | {"status": STATUS, "stoppedAt": nullable(TIME)}, {"name": TEXT}
        ),
        "completion": an_object(SESSION_V2 | RESULTS_V2 | {"status": FINAL_STATUS, "stoppedAt": TIME}, {"name": TEXT}),
    },
}


def error_schema(version: str, status: int) -> Schema:
    """Give the schema of an error answer."""
    return V1_ERRORS[status] if version == "v1" else API_ERROR
