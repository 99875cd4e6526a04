"""How to reach Checkly: key, account, address and the way there, checked before anything is sent."""

import ipaddress
import math
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from recorder.errors import BadKey, ConfigError, Problem

DEFAULT_BASE_URL: Final = "https://api.checklyhq.com"
MAX_TIMEOUT_S: Final = 600.0
TRIGGER_DEADLINE_S: Final = 30.0
"""The most that a trigger may take. It must end long before the lease of its intent does (`ledger.INTENT_LEASE`)."""
_HOST: Final = re.compile("[a-z0-9._:-]+")
"""What two URL parsers cannot understand differently; internationalised names are written in punycode."""

ApiVersion = Literal["v1", "v2"]


@dataclass(frozen=True, slots=True)
class ChecklyAccess:
    """How to reach Checkly. Raises ConfigError with every problem at once; the repr hides the key and the proxy.

    `ca_file` (PEM) replaces the public authorities. `proxy` is `http://[user:password@]host:port`; the connection to
    Checkly is tunnelled through it, encrypted. Plain http goes to this machine only, and never through the proxy.
    `timeout_s` is the budget of one whole exchange in seconds; a trigger has `trigger_timeout_s`.
    """

    api_key: str = field(repr=False)
    account_id: UUID
    base_url: str = DEFAULT_BASE_URL
    api_version: ApiVersion = "v2"
    ca_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        problems = [
            *_key_problems(self.api_key),
            *_base_url_problems(self.base_url),
            *_proxy_problems(self.proxy),
            *_ca_file_problems(self.ca_file),
        ]
        if self.api_version not in ("v1", "v2"):
            problems.append(Problem("api_version", 'must be "v2" or "v1"'))
        if not (math.isfinite(self.timeout_s) and 0 < self.timeout_s <= MAX_TIMEOUT_S):
            problems.append(Problem("timeout_s", f"must be more than 0 and at most {MAX_TIMEOUT_S:g} seconds"))
        if problems:
            raise ConfigError(problems)

    @property
    def is_encrypted(self) -> bool:
        """Whether requests travel inside TLS; if not, they never leave this machine."""
        return self.base_url.lower().startswith("https:")

    @property
    def host(self) -> str:
        """The host (and port, if one is named) of `base_url`, for messages."""
        return urlsplit(self.base_url).netloc

    @property
    def trigger_timeout_s(self) -> float:
        """The budget of a trigger in seconds: no more than the lease of its intent leaves room for."""
        return min(self.timeout_s, TRIGGER_DEADLINE_S)

    def tls_context(self) -> ssl.SSLContext | None:
        """A context that trusts `ca_file` alone; None without one. Raises ConfigError when the file cannot be used."""
        if self.ca_file is None:
            return None
        if problems := list(_ca_file_problems(self.ca_file)):
            raise ConfigError(problems)
        return ssl.create_default_context(cafile=str(self.ca_file))


def _key_problems(api_key: str) -> Iterator[Problem]:
    place = "CHECKLY_API_KEY"
    if not api_key:
        yield BadKey(place, "is empty; create a key in Checkly under User settings, API keys")
    elif not all("!" <= character <= "~" for character in api_key):
        yield BadKey(place, "holds a space, a line break or a letter outside ASCII; copy the key once more")


def _base_url_problems(base_url: str) -> Iterator[Problem]:
    place = "base_url"
    parts = _split(base_url)
    if parts is None or parts.scheme not in ("https", "http"):
        yield Problem(place, "is not an https:// address of plain ASCII")
        return
    if parts.username is not None or parts.password is not None:
        yield Problem(place, "must not hold a user name or a password")
    if "?" in base_url or "#" in base_url:
        yield Problem(place, "must not hold a query or a fragment")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        yield Problem(place, "must begin with https:// (plain http is for this machine only, such as http://127.0.0.1)")


def _proxy_problems(proxy: str | None) -> Iterator[Problem]:
    if proxy is None:
        return
    parts = _split(proxy)
    if parts is None or parts.scheme != "http" or parts.path not in ("", "/") or "?" in proxy or "#" in proxy:
        yield Problem("proxy", "must look like http://host:port (the tunnel through it is encrypted all the same)")


def _ca_file_problems(ca_file: Path | None) -> Iterator[Problem]:
    if ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=str(ca_file))
    except ssl.SSLError:
        yield Problem("ca_file", f"{ca_file} holds no certificate in PEM form")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        yield Problem("ca_file", f"{ca_file} cannot be read: {reason or 'not a usable path'}")


def _split(url: str) -> SplitResult | None:
    """The parts of a URL that has a plain host, a possible port and visible ASCII only; None for anything else."""
    try:
        parts = urlsplit(url)
        is_plain = _HOST.fullmatch(parts.hostname or "") is not None and parts.port != 0
    except ValueError:
        return None
    return parts if is_plain and all("!" <= character <= "~" for character in url) else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
