"""What a trigger runs, and the guard that an empty or misspelt target never becomes "everything in the account"."""

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from recorder.errors import ConfigError, Problem

PLACE: Final = "target"
EVERYTHING: Final = "nothing would be left to choose by, and Checkly would run every check of the account"
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
_UNSENDABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Target:
    """What one trigger runs: any of the tag groups (all tags of a group; `!tag` = without it), or the checks named.

    Every eligible check of the account runs only when `run_everything` is set and nothing else chooses.
    """

    match_tags: tuple[tuple[str, ...], ...] = ()
    check_ids: tuple[UUID, ...] = ()
    run_everything: bool = False
    refresh_cache: bool = False

    def problems(self, place: str = PLACE) -> tuple[Problem, ...]:
        """Every reason not to send this target; none means that `request_body` will build it."""
        return tuple(Problem(place, text) for text in self._mistakes())

    def request_body(self) -> bytes:
        """The JSON to POST: compact ASCII, the same bytes for the same target, no empty list ever.

        Raises ConfigError naming every problem, also when the configuration was checked long before.
        """
        if problems := self.problems():
            raise ConfigError(problems)
        chosen: dict[str, Any] = {}
        if self.match_tags:
            chosen["matchTags"] = self.match_tags
        if self.check_ids:
            chosen["checkId"] = [str(check_id) for check_id in self.check_ids]
        body: dict[str, Any] = {"target": chosen} if chosen else {}
        if self.refresh_cache:
            body["refreshCache"] = True
        return json.dumps(body, separators=(",", ":")).encode("ascii")

    def _mistakes(self) -> Iterator[str]:
        chooses = bool(self.match_tags or self.check_ids)
        if self.run_everything is not True and not chooses:
            yield f"names no tags and no checks: {EVERYTHING}; set run_everything = true if that is meant"
        if self.run_everything and chooses:
            yield "run_everything and tags or checks contradict each other: keep one of them"
        for group in self.match_tags:
            yield from _group_mistakes(group)
        for check_id in self.check_ids:
            if not isinstance(check_id, UUID):
                yield f"{_shown(check_id)} is not the UUID of a check"


def require_safe_body(body: bytes, *, allow_everything: bool) -> None:
    """The last guard before the socket: `body` is what a valid `Target` builds, byte for byte.

    Raises ConfigError otherwise, and for a body without a target unless `allow_everything` is set.
    """
    target = _target_of(body)
    if target.run_everything and not allow_everything:
        raise _refusal(f"the request names no target: {EVERYTHING}")
    if target.request_body() != body:
        raise _refusal("the request is not in the form that this version builds; it was not sent")


def _target_of(body: bytes) -> Target:
    try:
        document = json.loads(body)
        chosen = document.get("target")
        return Target(
            match_tags=tuple(tuple(group) for group in chosen.get("matchTags", ())) if chosen else (),
            check_ids=tuple(UUID(check_id) for check_id in chosen.get("checkId", ())) if chosen else (),
            run_everything="target" not in document,
            refresh_cache=document.get("refreshCache") is True,
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise _refusal("the request is not a trigger's JSON; it was not sent") from None


def _refusal(text: str) -> ConfigError:
    return ConfigError([Problem(PLACE, text)])


def _group_mistakes(group: object) -> Iterator[str]:
    if not isinstance(group, tuple | list):
        yield f"{_shown(group)} stands where a list of tags belongs"
    elif not group:
        yield f"an empty list of tags: {EVERYTHING}"
    else:
        for tag in group:
            if mistake := _tag_mistake(tag):
                yield f"tag {_shown(tag)} {mistake}"


def _tag_mistake(tag: object) -> str | None:
    """Why this tag must not be sent; None when it may."""
    if not isinstance(tag, str):
        return "is not text"
    name = tag.removeprefix("!")
    kinds = {unicodedata.category(character) for character in name}
    if kinds <= _INVISIBLE:
        return f"is empty: {EVERYTHING}"
    if name != name.strip() or tag != tag.strip():
        return "begins or ends with a space"
    if kinds & _UNSENDABLE:
        return "holds a control character"
    return "is negated twice" if name.startswith("!") else None


def _shown(value: object) -> str:
    return ascii(value)[:60]
