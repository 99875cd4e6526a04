"""Pure: what lists of tags say of the checks that fit them; a check fits a group with all of its tags.

The outer list is OR, an inner one (a group) is AND, and `!tag` means without it, as in the body of a trigger.
"""

from collections.abc import Sequence
from typing import TypeAlias

Groups: TypeAlias = Sequence[Sequence[str]]


def implies(asked: Groups, wanted: Groups) -> bool:
    """Whether every check that fits `asked` is certain to fit `wanted`: each group holds all tags of a wanted one.

    Nothing asked for is every check of an account, of which nothing is certain.
    """
    kept = [frozenset(group) for group in wanted]
    return bool(asked) and all(any(one.issubset(group) for one in kept) for group in asked)
