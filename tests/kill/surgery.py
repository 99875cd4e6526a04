"""Replaces a part of the recorder in this process: only processes that were born to be killed may call it."""

from typing import Any


def replace_part(owner: Any, name: str, part: object) -> None:
    """Put `part` where `owner` has `name`. Raises AttributeError when the recorder has no such part any more."""
    getattr(owner, name)
    setattr(owner, name, part)
