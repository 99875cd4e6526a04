"""What is allowed in a configuration and yet pointed out."""

from pathlib import Path

import pytest

from recorder.config import warnings_for
from tests.configuring import CHECK_ID, load, schedule


def by_tags(asked: str, wanted: str) -> str:
    """A file with a schedule and a delivery, each with its `match_tags`."""
    return schedule(f"match_tags = {asked}") + f'[[deliveries]]\nname = "d"\ncron = "@weekly"\nmatch_tags = {wanted}\n'


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("", "there are no schedules: nothing is triggered by itself"),
        (
            schedule(f'match_tags = [["a"]]\ncheck_ids = ["{CHECK_ID}"]'),
            "match_tags and check_ids are both sent, but Checkly does not document how they combine",
        ),
        (schedule('match_tags = [["a"], ["!b"]]'), '["!b"] only excludes: it runs every other check of the account'),
        (schedule('match_tags = [["a", "!a"]]'), '["a", "!a"] wants a tag and excludes it: it can match nothing'),
        (schedule("run_everything = true"), "run_everything runs every check of the account"),
        (schedule('match_tags = [["a"]]\ntimezone = "Asia/Tokyo"'), "timezone has no effect on every"),
        (schedule('match_tags = [["a"]]\nexpect_locations = ["eu-centrl-1", "office"]'), '"eu-central-1" is one'),
        (
            "[checkly]\nrequests_per_minute = 601\n" + schedule('match_tags = [["a"]]'),
            "requests_per_minute is above 600",
        ),
        (
            schedule('match_tags = [["a"]]') + '[[deliveries]]\nname = "d"\ncron = "@weekly"\nschedules = ["chekout"]',
            'delivery "d": there is no schedule "chekout"; did you mean "checkout"?',
        ),
        (
            by_tags('[["search", "eu"]]', '[["search"], ["serch"]]'),
            'delivery "d": no schedule triggers only checks that fit ["serch"]; did you mean "search"?',
        ),
        (
            by_tags('[["search"], ["login"]]', '[["search"]]'),
            'delivery "d": no schedule triggers only checks that fit ["search"]',
        ),
        (by_tags('[["search"]]', '[["search", "!eu"]]'), 'no schedule triggers only checks that fit ["search", "!eu"]'),
    ],
)
def test_what_is_allowed_but_doubtful_is_a_warning(tmp_path: Path, text: str, warning: str) -> None:
    """It is said once, and the settings hold."""
    (said,) = warnings_for(load(tmp_path, text))

    assert warning in said


def test_there_is_nothing_to_warn_about_in_an_ordinary_configuration(tmp_path: Path) -> None:
    """Or nobody would read the warnings."""
    text = schedule(
        'match_tags = [["production", "!skip-e2e"], ["critical"]]\nexpect_locations = ["eu-central-1", "office"]'
    )

    assert warnings_for(load(tmp_path, text)) == []
    assert warnings_for(load(tmp_path, by_tags('[["a", "b"], ["c"]]', '[["c"], ["b"]]'))) == []


def test_ids_beside_tags_make_a_schedule_lead_to_no_tag(tmp_path: Path) -> None:
    """What it triggers may be a check that has none of them."""
    _, said = warnings_for(load(tmp_path, by_tags(f'[["a"]]\ncheck_ids = ["{CHECK_ID}"]', '[["a"]]')))

    assert said == 'delivery "d": no schedule triggers only checks that fit ["a"]'
