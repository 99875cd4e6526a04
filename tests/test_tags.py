"""What tags say of the checks that fit them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.tags import Groups, implies

GROUPS = st.lists(st.lists(st.sampled_from(["a", "b", "c", "!a", "!b", "!c"]), min_size=1, max_size=3), max_size=3)


def fits(tags: set[str], groups: Groups) -> bool:
    """As Checkly says it: any group, all of whose tags the check has, and none of those with a !."""
    return any(all((tag.removeprefix("!") in tags) != tag.startswith("!") for tag in group) for group in groups)


@pytest.mark.parametrize(
    ("asked", "wanted", "certain"),
    [
        ([["a"]], [["a"]], True),
        ([["b", "a"]], [["a"]], True),
        ([["a", "b"], ["a", "c"]], [["a"]], True),
        ([["a"], ["b"]], [["b"], ["a"]], True),
        ([["a", "!b"]], [["!b", "a"]], True),
        ([["a"], ["b"]], [["a"]], False),
        ([["a"]], [["a", "b"]], False),
        ([["a"]], [["a", "!b"]], False),
        ([["!a"]], [["a"]], False),
        ([["A"]], [["a"]], False),
        ([], [["a"]], False),
    ],
)
def test_tags_are_certain_when_each_group_holds_all_of_a_wanted_one(
    asked: Groups, wanted: Groups, *, certain: bool
) -> None:
    """A target without tags runs everything, so it says nothing."""
    assert implies(asked, wanted) is certain


@given(asked=GROUPS, wanted=GROUPS, tags=st.sets(st.sampled_from("abc")))
def test_what_is_certain_holds_for_every_check(asked: Groups, wanted: Groups, tags: set[str]) -> None:
    """Whatever tags it has: a check that is triggered by the one fits the other."""
    assert not (implies(asked, wanted) and fits(tags, asked)) or fits(tags, wanted)
