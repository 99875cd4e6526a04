"""Tells people about a report through Apprise (the extra `notify`): mail, Slack, Teams and a hundred more.

An address is a URL that holds a password or a token: it comes from the environment or a file, and no message, no line
of the log and no exception shows it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recorder.config_sources import read_bytes
from recorder.errors import ConfigError, Problem, RecorderError
from recorder.wording import quoted_path

_TALKATIVE: Final = ("apprise", "urllib3")
"""Loggers that may quote an address, or the path in which its token stands."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: a subject, a body in HTML, and a file to attach where the service can."""

    title: str
    html: str
    attachment: Path


def read_addresses(variable: str, environ: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
    """Apprise URLs: from the variable, parted by blanks, or one a line from the file that `<variable>_FILE` names.

    Lines of the file that begin with # are left out. Raises ConfigError when there are none.
    """
    file_variable = f"{variable}_FILE"
    text, file = environ.get(variable, ""), environ.get(file_variable, "")
    if text and file:
        raise ConfigError([Problem(file_variable, f"is set and {variable} too: unset one of them")])
    if file:
        lines = _read_lines(file_variable, cwd / file)
        text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    addresses = tuple(text.split())
    if not addresses:
        where = f"holds no Apprise URL: set it, or {file_variable} to a file with one a line"
        raise ConfigError([Problem(variable, where)])
    return addresses


def notify(addresses: Sequence[str], message: Message) -> None:
    """Send the message to every address. Raises RecorderError that says how many could not be reached."""
    try:
        import apprise  # noqa: PLC0415 - an extra, and half a second to import
    except ImportError:
        raise RecorderError('notifications need an extra: pip install "checkly-session-recorder[notify]"') from None
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    missed = [number for number, address in enumerate(addresses, 1) if not _send(apprise, address, message)]
    if missed:
        which = ", ".join(map(str, missed))
        raise RecorderError(f"{len(missed)} of {len(addresses)} notifications could not be sent: address {which}")


def _send(apprise: Any, address: str, message: Message) -> bool:
    """Whether the service took the message; what its library raises may quote the address and is left there."""
    try:
        service = apprise.Apprise()
        return bool(
            service.add(address)
            and service.notify(
                title=message.title,
                body=message.html,
                body_format=apprise.NotifyFormat.HTML,
                attach=str(message.attachment),
            )
        )
    except Exception:  # noqa: BLE001 - any of a hundred plugins; the caller says which address it was
        return False


def _read_lines(variable: str, path: Path) -> list[str]:
    try:
        return read_bytes(path).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError([Problem(variable, f"{quoted_path(path)} cannot be read: {reason}")]) from None
