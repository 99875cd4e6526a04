"""The errors of the recorder, one class for each thing that a caller can do about them.

    RecorderError
    ├── UsageError                  exit 2   correct the command
    ├── ConfigError                 exit 3   correct the configuration (carries every problem); exit 4: the key alone
    ├── ChecklyError                exit 4
    │   ├── NotSent                          nothing left this machine: safe to send again
    │   ├── PerhapsSent                      may have been acted on: never send a trigger again
    │   ├── TryLater                         rate limited or overloaded: ask again after `retry_after_s`
    │   ├── Refused                          400, 401, 402, 403, a redirect: waiting does not help
    │   ├── NoSuchThing                      404 on something that was asked for by its id
    │   └── BadAnswer                        a read was answered with something unreadable
    ├── MalformedPayload            exit 1   a JSON document that is not what the contract says
    ├── DatabaseError               exit 5   rights, a missing directory, no database, a newer schema
    └── LockedError                 exit 75  another daemon holds the database

The message of each is one sentence for the person at the terminal: what, where, what to do. It never holds the API key.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class RecorderError(Exception):
    """Something the recorder can name; `str()` is the line to show."""

    exit_code = 1


class UsageError(RecorderError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration: `place` is where ("recorder.toml:12 schedules[0].cron"), `text` what to do."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class BadKey(Problem):
    """A key that cannot be one: Checkly would refuse it, so it is never sent."""


class ConfigError(RecorderError):
    """The configuration holds mistakes; `problems` names all of them at once.

    Where nothing but the key is wrong the exit code is that of a key which Checkly refused.
    """

    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep every problem; the message is one line for each."""
        self.problems = tuple(problems)
        if all(isinstance(problem, BadKey) for problem in self.problems):
            self.exit_code = ChecklyError.exit_code
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ChecklyError(RecorderError):
    """Checkly refused, could not be reached, or answered something unreadable."""

    exit_code = 4

    def __init__(
        self, message: str, *, reason: str, http_status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        """`reason` is a word of the ledger's closed list, or `network`, `not_found`.

        `retry_after_s` is how long the server wishes to be left alone, in seconds, if it said so.
        """
        super().__init__(message)
        self.reason = reason
        self.http_status = http_status
        self.retry_after_s = retry_after_s


class NotSent(ChecklyError):
    """The request provably never left this machine."""


class PerhapsSent(ChecklyError):
    """The request may have been acted on; `body` is what came back, as far as it came."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        http_status: int | None = None,
        retry_after_s: float | None = None,
        body: bytes = b"",
    ) -> None:
        """Keep the answer's bytes: they may be the only trace of sessions that were started."""
        super().__init__(message, reason=reason, http_status=http_status, retry_after_s=retry_after_s)
        self.body = body


class TryLater(ChecklyError):
    """Refused for now (429, or 5xx on a read)."""


class Refused(ChecklyError):
    """Refused for good until somebody changes the key, the plan, the target or the address."""


class NoSuchThing(ChecklyError):
    """Checkly knows no such session, check or result."""


class BadAnswer(ChecklyError):
    """A read was answered with something that cannot be read; asking again is harmless."""


class MalformedPayload(RecorderError):
    """A document that is not the JSON the contract describes; the message says where it departs from it."""


class DatabaseError(RecorderError):
    """The database cannot be opened, read or written."""

    exit_code = 5


class LockedError(RecorderError):
    """Another process holds what only one may hold."""

    exit_code = 75
