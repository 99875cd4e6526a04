"""Names and links from outside, made fit for a page."""

import pytest

from reports.names import check_name, places_text, short


@pytest.mark.parametrize("name", [None, "", "  \n ", "\u200b\u200d", "\u202e\u202d"])
def test_a_name_that_nobody_could_see_is_replaced_by_the_id(name: str | None) -> None:
    """A row needs something to be called by."""
    assert check_name(name, "a4cd4ad9").text == "a4cd4ad9"


def test_a_long_name_is_cut() -> None:
    """The whole of it stands in the CSV files."""
    assert short("x" * 1000) == "x" * 119 + "…"


def test_marks_that_turn_the_text_around_are_made_visible() -> None:
    """What follows such a name must not read backwards; joined emoji stay whole."""
    assert short("safe\u202egnp.exe\x07 👩\u200d💻") == "safe\ufffdgnp.exe\ufffd 👩\u200d💻"


@pytest.mark.parametrize("link", [None, "javascript:alert(1)", "data:text/html,x", "//evil.example", " https://x"])
def test_a_link_that_is_no_web_page_is_dropped(link: str | None) -> None:
    """A click on a hostile payload's link must not run anything."""
    assert check_name("Check", "id", link).link is None


def test_a_link_to_checkly_stays() -> None:
    """It leads to the check's page."""
    assert check_name("Check", "id", "https://app.checklyhq.com/checks/1").link == "https://app.checklyhq.com/checks/1"


def test_two_run_locations_have_the_room_of_one() -> None:
    """So that no cell is taller than that of a check; one alone may be as long as any name."""
    both, alone = places_text("|".join(["x" * 200, "y" * 200])), places_text("x" * 200)

    assert both == f"{'x' * 59}…, {'y' * 59}…"
    assert alone == f"{'x' * 119}…"
