"""The payloads that Checkly documents, typed as it shows them."""

from typing import Any, Final

CHECK_ID: Final = "a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a"
CHECK_SESSION_ID: Final = "8166fa86-c9b4-4162-8541-d380c6c212d8"
CHECK_RESULT_ID: Final = "22be3b52-5ec2-4894-9086-b5b4a8b00a89"
_LINK: Final = (
    "https://app.checklyhq.com/accounts/1397c172-1938-4973-a225-5862298e571a"
    f"/checks/{CHECK_ID}/check-sessions/{CHECK_SESSION_ID}"
)

TRIGGER_REQUEST: Final[dict[str, Any]] = {
    "target": {"matchTags": [["production", "!skip-e2e"]], "checkId": [CHECK_ID]},
}

_SESSION: Final[dict[str, Any]] = {
    "checkSessionId": CHECK_SESSION_ID,
    "checkSessionLink": _LINK,
    "checkId": CHECK_ID,
    "checkType": "API",
    "name": "Example API Check",
    "status": "PASSED",
    "startedAt": "2025-08-28T18:23:40.262Z",
    "stoppedAt": "2025-08-28T18:28:40.993Z",
    "timeElapsed": 300731,
    "runLocations": ["us-east-1", "eu-central-1"],
}

TRIGGER_ANSWER: Final[dict[str, Any]] = {"sessions": [_SESSION]}

RETRIEVE_ANSWER: Final[dict[str, Any]] = {
    **_SESSION,
    "results": [
        {
            "checkResultId": CHECK_RESULT_ID,
            "checkResultLink": f"{_LINK}/results/{CHECK_RESULT_ID}",
            "checkId": CHECK_ID,
            "checkType": "API",
            "name": "Example API Check",
            "runLocation": "us-east-1",
            "resultType": "FINAL",
            "hasErrors": False,
            "hasFailures": False,
            "isDegraded": False,
            "aborted": False,
        },
    ],
}

V2_RETRIEVE_ANSWER: Final[dict[str, Any]] = {
    **RETRIEVE_ANSWER,
    "runSource": "TRIGGER_API",
    "results": [
        {
            **RETRIEVE_ANSWER["results"][0],
            "isCancelled": False,
            "responseTime": 187.5,
            "startedAt": "2025-08-28T18:23:41.262Z",
            "stoppedAt": "2025-08-28T18:23:41.450Z",
        },
    ],
}
"""The same with the fields that v2 adds by its published contract; the documents show no example of it."""

CHECK_RESULT: Final[dict[str, Any]] = {
    "id": CHECK_RESULT_ID,
    "name": "Example API Check",
    "checkId": CHECK_ID,
    "hasFailures": False,
    "hasErrors": False,
    "isDegraded": None,
    "isCancelled": False,
    "overMaxResponseTime": False,
    "runLocation": "us-east-1",
    "startedAt": "2025-08-28T18:23:41.262Z",
    "stoppedAt": "2025-08-28T18:23:41.450Z",
    "created_at": "2025-08-28T18:23:41.500Z",
    "responseTime": 188,
    "apiCheckResult": {"assertions": [], "requestError": None},
    "browserCheckResult": None,
    "checkRunId": 1756405421262,
    "attempts": 1,
    "resultType": "FINAL",
    "sequenceId": "5a8b1d7e-0c3f-4b6a-9d2e-1f4c7b8a9e60",
    "traceId": None,
}
"""One entry of check-results by the published contract."""

NO_MATCH: Final[dict[str, Any]] = {
    "statusCode": 404,
    "error": "Not Found",
    "message": "No matching checks were found.",
}
STILL_RUNNING: Final[dict[str, Any]] = {
    "statusCode": 408,
    "error": "Request Time-out",
    "message": "Check session is still in progress, but maximum per-request wait time was exceeded. Please retry.",
}
