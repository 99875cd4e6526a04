"""How the API says no: the documented error bodies, raised where the reason is found."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse

NO_MATCHING_CHECKS: Final = "No matching checks were found."
NO_SUCH_SESSION: Final = "No such check session."
STILL_RUNNING: Final = (
    "Check session is still in progress, but maximum per-request wait time was exceeded. Please retry."
)


class Refusal(Exception):
    """An answer other than success: its status, its message and perhaps a `Retry-After` in seconds."""

    def __init__(self, status: int, message: str, *, error: str | None = None, retry_after: int | None = None) -> None:
        """`error` is the name of the status unless the API spells it in another way."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.error = error or HTTPStatus(status).phrase
        self.retry_after = retry_after

    def response(self) -> JSONResponse:
        """Write the refusal as `{statusCode, error, message}`."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        body = {"statusCode": self.status, "error": self.error, "message": self.message}
        return JSONResponse(body, status_code=self.status, headers=headers)


def bad_request(message: str) -> Refusal:
    """Build the answer to a request that breaks the documented form."""
    return Refusal(400, message)


def not_found(message: str = "Not Found") -> Refusal:
    """Build the answer when there is no such thing, or nothing matches."""
    return Refusal(404, message)
