"""What a trigger's target means: which checks it selects."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from recorder.simulator.world import Check

ApiVersion = Literal["v1", "v2"]
TagGroups = tuple[tuple[str, ...], ...]


class MalformedTargetError(ValueError):
    """The trigger's body does not have the documented form; the text says where."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed target: `match_tags` is OR outside and AND inside."""

    match_tags: TagGroups = ()
    check_ids: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Neither tags nor ids were given."""
        return not self.match_tags and not self.check_ids


def parse_target(body: object, version: ApiVersion) -> Target:
    """Read the target out of a decoded trigger body.

    v2 wants an object whose `matchTags` is a list of lists. v1 also takes a missing body (None), a bare string for an
    inner list and a bare string for `checkId`. Raises MalformedTargetError for anything else.
    """
    if body is None and version == "v1":
        return Target()
    if not isinstance(body, dict):
        raise MalformedTargetError('"body" must be of type object')
    if not isinstance(body.get("refreshCache", False), bool):
        raise MalformedTargetError('"refreshCache" must be a boolean')
    target = body.get("target", {})
    if not isinstance(target, dict):
        raise MalformedTargetError('"target" must be of type object')
    return Target(
        match_tags=_parse_tag_groups(target.get("matchTags", []), version),
        check_ids=_parse_check_ids(target.get("checkId", []), version),
    )


def _parse_tag_groups(value: object, version: ApiVersion) -> TagGroups:
    if not isinstance(value, list):
        raise MalformedTargetError('"target.matchTags" must be an array')
    groups = [[group] if version == "v1" and isinstance(group, str) else group for group in value]
    for place, group in enumerate(groups):
        if not isinstance(group, list):
            raise MalformedTargetError(f'"target.matchTags[{place}]" must be an array')
        if not all(isinstance(tag, str) for tag in group):
            raise MalformedTargetError(f'"target.matchTags[{place}]" must hold strings')
    return tuple(tuple(group) for group in groups)


def _parse_check_ids(value: object, version: ApiVersion) -> frozenset[str]:
    ids = [value] if version == "v1" and isinstance(value, str) else value
    if not isinstance(ids, list):
        raise MalformedTargetError('"target.checkId" must be an array')
    for place, check_id in enumerate(ids):
        if not is_uuid(check_id):
            raise MalformedTargetError(f'"target.checkId[{place}]" must be a valid GUID')
    return frozenset(check_id.lower() for check_id in ids)


def is_uuid(value: object) -> bool:
    """Tell whether the value is a hyphenated UUID."""
    if not isinstance(value, str) or len(value) != len("8166fa86-c9b4-4162-8541-d380c6c212d8"):
        return False
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def matches_tags(tags: frozenset[str], match_tags: Sequence[Sequence[str]]) -> bool:
    """Outer list = OR, inner list = AND, a leading `!` = without this tag; an empty inner list fits every check."""
    return any(all(_fits(tags, wanted) for wanted in group) for group in match_tags)


def _fits(tags: frozenset[str], wanted: str) -> bool:
    return wanted[1:] not in tags if wanted.startswith("!") else wanted in tags


def select_checks(checks: Sequence[Check], target: Target) -> tuple[Check, ...]:
    """Return the eligible checks that the target selects, in the world's order; the tags of a check's group count.

    Checkly does not document three things, chosen here: `[]` and an absent filter mean the same, `[[]]` fits every
    check, and tags and ids together run the union. No filter at all runs every eligible check: the documented trap.
    """
    return tuple(check for check in checks if check.is_eligible and _is_selected(check, target))


def _is_selected(check: Check, target: Target) -> bool:
    return target.is_everything or check.check_id in target.check_ids or matches_tags(check.all_tags, target.match_tags)
