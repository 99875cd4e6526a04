"""What is said of the database's own program."""

import pytest

from recorder.db import sqlite_flaw


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 50, 6), (3, 51, 0), (3, 51, 2)])
def test_a_sqlite_that_may_damage_what_several_write_to_is_named(version: tuple[int, int, int]) -> None:
    """With what to do about it."""
    flaw = sqlite_flaw(version)

    assert flaw is not None
    assert ".".join(map(str, version)) in flaw
    assert "let nothing else write to it" in flaw


@pytest.mark.parametrize("version", [(3, 44, 6), (3, 44, 9), (3, 50, 7), (3, 51, 3), (3, 52, 0), (4, 0, 0)])
def test_a_sqlite_that_was_mended_is_nobody_s_business(version: tuple[int, int, int]) -> None:
    """The fix was carried back to two older lines."""
    assert sqlite_flaw(version) is None
