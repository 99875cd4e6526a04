"""Pure: the kinds of value that a configuration holds, each read and checked by one function.

Every function raises ValueError with the second half of a sentence whose first half is the place: "…: must not be
empty". None of them quotes a text that may be a password or a key.
"""

import re
import ssl
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from unicodedata import category
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, SecretStr, Strict

from recorder.durations import format_duration, parse_duration
from recorder.schedule import load_zone, parse_cron
from recorder.wording import quoted, quoted_path

UUID_TEXT: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
HOST: Final = re.compile(r"[a-z0-9._:-]+", re.IGNORECASE)
"""What no two readers of a URL understand differently; an international name is written in punycode."""
VERSION_PATH: Final = re.compile(r"/v[12]/*$")
POSTGRES_URL: Final = re.compile(
    r"postgres(ql)?([+]psycopg)?://"
    r"(?P<rest>(\S*@)?(\[[0-9a-f:.]+\]|[^\s/@?:\[\]]*)(:[0-9]{1,5})?([/?]\S*)?)",
    re.IGNORECASE,
)
FOLDER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
VARIABLE_NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
"""The Unicode categories of what cannot be seen: a text of these alone is empty to its reader."""
UNWANTED: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Those of them that no name holds: control characters, halves of characters, separators of lines."""
LONGEST_TIMEOUT: Final = timedelta(minutes=10)
MEMORY_PATHS: Final = ("", ":memory:")


def check_text(text: str) -> str:
    """A name as people write it: something to see, no blanks around it, no control characters."""
    kinds = {category(char) for char in text}
    if kinds <= UNSEEN:
        raise ValueError("must not be empty")
    if text != text.strip():
        raise ValueError(f"{quoted(text)} has blanks around it: leave them out")
    if kinds & UNWANTED:
        raise ValueError(f"{quoted(text)} holds a control character: leave it out")
    return text


def check_tag(tag: str) -> str:
    """A tag, or `!` and a tag: "without this tag"."""
    if tag.startswith("!!"):
        raise ValueError(f"{quoted(tag)} is negated twice: write one ! and the tag")
    if tag.startswith("!") and {category(char) for char in tag[1:]} <= UNSEEN:
        raise ValueError('"!" alone excludes no tag: write ! and the tag')
    check_text(tag.removeprefix("!"))
    return check_text(tag)


def check_tag_group(group: Any) -> Any:
    """One inner list, all of whose tags must fit; a bare text is refused, v2 wants lists of lists."""
    if isinstance(group, str):
        raise ValueError(f"{quoted(group)} stands alone: each group is a list, write [[{quoted(group)}]]")  # noqa: TRY004
    if group in ([], ()):
        raise ValueError("must not be empty: an empty list may stand for every check of the account")
    return group


def check_target_list(values: Any) -> Any:
    """The outer list of `match_tags` and that of `check_ids`: when it is written at all, it names something."""
    if isinstance(values, str):
        raise ValueError("must be a list: write it in [ ]")  # noqa: TRY004 - pydantic wants a ValueError
    if values == []:
        raise ValueError("must not be empty: an empty list may stand for every check of the account")
    return values


def read_uuid(value: Any) -> UUID:
    """A UUID in its hyphenated form."""
    if isinstance(value, UUID):
        return value
    if not isinstance(value, str) or not UUID_TEXT.fullmatch(value):
        raise ValueError("must be a UUID, as in a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a")
    return UUID(value)


def check_distinct(check_ids: tuple[UUID, ...]) -> tuple[UUID, ...]:
    """No check is named twice: whether Checkly would run it twice is not documented."""
    twice = next((check_id for check_id in check_ids if check_ids.count(check_id) > 1), None)
    if twice is not None:
        raise ValueError(f"names {twice} more than once")
    return check_ids


def read_duration(value: Any) -> timedelta:
    """A duration such as `30s`."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError('must be a text with a unit, such as "30s"')


def at_least(shortest: timedelta) -> Callable[[timedelta], timedelta]:
    """A check that a duration is this long or longer."""

    def check(duration: timedelta) -> timedelta:
        if duration < shortest:
            raise ValueError(f"must be at least {format_duration(shortest)}")
        return duration

    return check


def check_timeout(duration: timedelta) -> timedelta:
    """How long one request may take."""
    if not timedelta(seconds=1) <= duration <= LONGEST_TIMEOUT:
        raise ValueError(f"must be at least 1s and at most {format_duration(LONGEST_TIMEOUT)}")
    return duration


def read_share(value: Any) -> float:
    """A part of a whole, as a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError("must be a number above 0 and up to 1, such as 0.05")
    return float(value)


def check_zone(name: str) -> str:
    """The name of a zone of the IANA database."""
    load_zone(name)
    return name


def check_cron(text: str) -> str:
    """A cron expression that fires, kept as it is written."""
    parse_cron(text)
    return text


def check_path(value: Any) -> Any:
    """A path is a text with something in it."""
    if isinstance(value, str):
        check_text(value)
    return value


def check_folder_name(name: str) -> str:
    """A name that is a folder's too, and no name that a report's folder has."""
    if not FOLDER_NAME.fullmatch(name) or name.lower() == "latest":
        allowed = 'a letter, then letters, digits, - and _, but not "latest"'
        raise ValueError(f"{quoted(name)} cannot be the name of its folder: write {allowed}")
    return name


def check_variable_name(name: str) -> str:
    """The name of a variable of the environment."""
    if not VARIABLE_NAME.fullmatch(name):
        raise ValueError("must be the name of a variable, as TEAM_REPORT_URLS: the URLs themselves hold secrets")
    return name


def check_web_address(text: str) -> str:
    """Where people find a folder on the web, with a slash at the end."""
    parts = _split_url(text)
    if parts is None or "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("must look like https://reports.example/checkly")
    return text.rstrip("/") + "/"


def check_ca_file(path: Path) -> Path:
    """A file that holds certificates."""
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        raise ValueError(f"{quoted_path(path)} holds no certificate in PEM form") from None
    except OSError as error:
        raise ValueError(f"{quoted_path(path)} cannot be read: {error.strerror}") from None
    return path


def check_api_key(key: SecretStr) -> SecretStr:
    """Visible ASCII only: anything else would be quoted by whoever fails to send it."""
    text = key.get_secret_value()
    if not text:
        raise ValueError("must not be empty")
    if not all("!" <= char <= "~" for char in text):
        raise ValueError("holds a blank, a line break or another character that no API key has (it is not shown here)")
    return key


def check_base_url(text: str) -> str:
    """Where Checkly is, without a slash at the end: https, or http to this machine."""
    parts = _split_url(text)
    if parts is None:
        raise ValueError("is no address of a web server: write it as https://host or https://host:port")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password: the key comes from CHECKLY_API_KEY")
    if "?" in text or "#" in text:
        raise ValueError("must not hold a query or a fragment: write the scheme and the host")
    if VERSION_PATH.search(parts.path):
        raise ValueError("must not end with the version: api_version says it")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError("plain http goes to this machine only (127.0.0.1, ::1, localhost): write https")
    return text.rstrip("/")


def check_proxy(text: str) -> str:
    """The URL of an HTTP proxy, which may hold a user and a password."""
    parts = _split_url(text)
    if parts is None or parts.scheme != "http" or parts.path.strip("/") or "?" in text or "#" in text:
        raise ValueError("must look like http://host:port (the tunnel through it is encrypted all the same)")
    return text


def _split_url(text: str) -> SplitResult | None:
    """The parts of a URL of http or https that every reader understands alike, else None."""
    try:
        parts = urlsplit(text)
        plain = all("!" <= char <= "~" for char in text) and parts.port != 0
    except ValueError:
        return None
    known = parts.scheme in {"http", "https"} and HOST.fullmatch(parts.hostname or "") is not None
    return parts if plain and known else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def check_database_url(text: str) -> str:
    """A SQLAlchemy URL of a database that the recorder can keep its history in; PostgreSQL always through psycopg 3."""
    scheme = text.partition("://")[0]
    if scheme == "sqlite":
        return _check_sqlite_url(text)
    if scheme not in {"postgresql+psycopg", "postgresql", "postgres"}:
        raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
    found = POSTGRES_URL.fullmatch(text)
    if found is None:
        raise ValueError("cannot be read: write postgresql+psycopg://user:password@host:5432/database")
    return f"postgresql+psycopg://{found['rest']}"


def _check_sqlite_url(text: str) -> str:
    path = text.removeprefix("sqlite:///").partition("?")[0]
    if text == "sqlite://" or path in MEMORY_PATHS:
        raise ValueError("names no file, and a history in memory is lost: write sqlite:///history.db")
    if not text.startswith("sqlite:///"):
        raise ValueError("must have three slashes: write sqlite:///history.db, or four before an absolute path")
    if not text.isprintable():
        raise ValueError("holds a control character")
    return text


Text: TypeAlias = Annotated[str, AfterValidator(check_text)]
Switch: TypeAlias = Annotated[bool, Strict()]
WholeNumber: TypeAlias = Annotated[int, Strict()]
Share: TypeAlias = Annotated[float, BeforeValidator(read_share)]
Duration: TypeAlias = Annotated[timedelta, BeforeValidator(read_duration), AfterValidator(at_least(timedelta(0)))]
OneSecondOrMore: TypeAlias = Annotated[Duration, AfterValidator(at_least(timedelta(seconds=1)))]
Timeout: TypeAlias = Annotated[timedelta, BeforeValidator(read_duration), AfterValidator(check_timeout)]
Zone: TypeAlias = Annotated[str, AfterValidator(check_zone)]
Cron: TypeAlias = Annotated[str, AfterValidator(check_cron)]
Tag: TypeAlias = Annotated[str, AfterValidator(check_tag)]
TagGroup: TypeAlias = Annotated[tuple[Tag, ...], BeforeValidator(check_tag_group)]
TagGroups: TypeAlias = Annotated[tuple[TagGroup, ...], BeforeValidator(check_target_list)]
Uuid: TypeAlias = Annotated[UUID, BeforeValidator(read_uuid)]
CheckIds: TypeAlias = Annotated[tuple[Uuid, ...], BeforeValidator(check_target_list), AfterValidator(check_distinct)]
DistinctIds: TypeAlias = Annotated[tuple[Uuid, ...], AfterValidator(check_distinct)]
FolderName: TypeAlias = Annotated[str, AfterValidator(check_folder_name)]
VariableName: TypeAlias = Annotated[str, AfterValidator(check_variable_name)]
WebAddress: TypeAlias = Annotated[str, AfterValidator(check_web_address)]
ApiKey: TypeAlias = Annotated[SecretStr, AfterValidator(check_api_key)]
BaseUrl: TypeAlias = Annotated[str, AfterValidator(check_base_url)]
ProxyUrl: TypeAlias = Annotated[str, AfterValidator(check_proxy)]
DatabaseUrl: TypeAlias = Annotated[str, AfterValidator(check_database_url)]
Folder: TypeAlias = Annotated[Path, BeforeValidator(check_path)]
CaFile: TypeAlias = Annotated[Path, BeforeValidator(check_path), AfterValidator(check_ca_file)]
