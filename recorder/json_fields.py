"""Reads single JSON values that may be hostile: of another type, out of range, or text that no database can hold.

What can be survived becomes None or is cleaned, and is named in the list `odd`; what cannot raises MalformedPayload.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from recorder.clock import floor_to_ms
from recorder.errors import MalformedPayload

WORD_LIMIT: Final = 200
"""Characters kept of a location or an enum value."""
_MAX_MS: Final = 2**53
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"))
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def load_json(body: bytes | str) -> Any:
    """Parse JSON that may be hostile. Raises MalformedPayload for anything Python cannot hold safely."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise MalformedPayload("the JSON is nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise MalformedPayload(f"not readable as JSON ({first_line(error)})") from None


def read_uuid(entry: Mapping[str, object], field: str) -> UUID:
    """The UUID in a field that nothing can be recorded without. Raises MalformedPayload."""
    value = entry.get(field)
    try:
        return UUID(value) if isinstance(value, str) else _raise(f"{field} is {kind_of(value)}, not a UUID")
    except ValueError:
        raise MalformedPayload(f"{field} is not a UUID") from None


def _raise(message: str) -> Any:
    raise MalformedPayload(message)


def read_time(value: object, field: str, odd: list[str]) -> datetime | None:
    """An ISO 8601 instant in UTC milliseconds; None, and a word in `odd`, when it is none. UTC where no offset is."""
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
        if instant is None:
            raise ValueError(value)
        if instant.tzinfo is None:
            odd.append(f"{field} without an offset")
            instant = instant.replace(tzinfo=UTC)
        return floor_to_ms(instant)
    except (ValueError, OverflowError):
        odd.append(f"{field} is not a time")
        return None


def read_milliseconds(value: object, field: str, odd: list[str]) -> float | None:
    """A duration in milliseconds from 0 to 2^53; None, and a word in `odd`, for anything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        odd.append(f"{field} is {kind_of(value)}")
        return None
    if not 0 <= value <= _MAX_MS or not math.isfinite(value):
        odd.append(f"{field} is out of range")
        return None
    return float(value)


def read_flag(value: object, field: str, odd: list[str]) -> bool | None:
    """True, false or unknown; anything else is unknown and named in `odd`."""
    if value is None or isinstance(value, bool):
        return value
    odd.append(f"{field} is {kind_of(value)}")
    return None


def read_word(value: object, known: frozenset[str], field: str, odd: list[str]) -> str | None:
    """An enum value as text; one that is not in `known` is kept and named in `odd`."""
    if isinstance(value, str) and value in known:
        return value
    word = read_text(value, WORD_LIMIT, field, odd)
    if word is not None and word not in known:
        odd.append(f"{field}={word}")
    return word


def read_text(value: object, limit: int, field: str, odd: list[str]) -> str | None:
    """Text that every database can hold: NUL and lone surrogates replaced, length capped with a digest of the whole."""
    if value is None:
        return None
    if not isinstance(value, str):
        odd.append(f"{field} is {kind_of(value)}")
        return None
    text = value
    if _UNSTORABLE.search(value):
        text = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        odd.append(f"{field} held characters that cannot be stored")
    if len(text) > limit:
        odd.append(f"{field} was longer than {limit} characters")
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        text = f"{text[: limit - 9]}\N{HORIZONTAL ELLIPSIS}{digest}"
    return text


def storable_key(key: str) -> str:
    """A field name as it may be counted: storable, at most 80 characters."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", key)[:80]


def kind_of(value: object) -> str:
    """What kind of JSON value this is, in words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def compact_json(entry: object) -> bytes:
    """JSON with every odd character escaped, so that the raw payload is plain ASCII."""
    try:
        return _COMPACT.encode(entry).encode("ascii")
    except (ValueError, RecursionError):
        return b""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def first_line(error: Exception) -> str:
    """The first line of what an error says, at most 120 characters."""
    return str(error).split("\n", 1)[0][:120]
