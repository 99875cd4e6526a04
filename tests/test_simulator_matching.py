"""Which checks a trigger's target selects."""

from __future__ import annotations

from typing import Any

import pytest

from recorder.simulator.matching import MalformedTargetError, Target, matches_tags, parse_target, select_checks
from recorder.simulator.world import default_world

WORLD = default_world(seed=1)


def names_selected(body: Any, version: Any = "v2") -> set[str]:
    return {check.name for check in select_checks(WORLD.checks, parse_target(body, version))}


@pytest.mark.parametrize(
    ("tags", "match_tags", "expected"),
    [
        ("a", [["a"]], True),
        ("b", [["a"]], False),
        ("a b", [["a", "b"]], True),
        ("a", [["a", "b"]], False),
        ("a", [["a"], ["b"]], True),
        ("b", [["a"], ["b"]], True),
        ("c", [["a"], ["b"]], False),
        ("a", [["a", "!d"]], True),
        ("a d", [["a", "!d"]], False),
        ("a b d", [["a", "b"], ["a", "c", "!d"]], True),
        ("a c", [["a", "b"], ["a", "c", "!d"]], True),
        ("a c d", [["a", "b"], ["a", "c", "!d"]], False),
        ("", [["!a"]], True),
        ("a", [["!a"]], False),
        ("", [[]], True),
        ("a", [], False),
        ("A", [["a"]], False),
        ("a", [[""]], False),
    ],
)
def test_tags_match_as_or_of_and_with_exclamation_mark_as_not(
    tags: str, match_tags: list[list[str]], *, expected: bool
) -> None:
    """The documented truth table."""
    assert matches_tags(frozenset(tags.split()), match_tags) is expected


def test_the_tags_of_a_checks_group_count() -> None:
    """`checkout` is a tag of the group alone."""
    assert names_selected({"target": {"matchTags": [["checkout"]]}}) == {"Checkout flow", "Payments API", "Cart API"}


def test_the_issues_filter_selects_production_without_skip_e2e_or_web() -> None:
    """The same two filters that the official CLI is run with."""
    selected = names_selected({"target": {"matchTags": [["production", "!skip-e2e"], ["web"]]}})

    assert "Storefront homepage" in selected
    assert selected & {"Cart API", "Staging API", "Legacy SOAP endpoint", "Nightly backup heartbeat"} == set()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"target": {}},
        {"target": {"matchTags": []}},
        {"target": {"checkId": []}},
        {"target": {"matchTags": [], "checkId": []}},
        {"target": {"matchTags": [[]]}},
        {"refreshCache": True},
    ],
)
def test_an_empty_target_runs_every_eligible_check(body: dict[str, Any]) -> None:
    """The dearest trap of the API: no filter is not no check."""
    assert names_selected(body) == {check.name for check in WORLD.eligible()}


def test_muted_checks_run_while_deactivated_ones_and_heartbeats_do_not() -> None:
    """Eligible means activated and runnable."""
    eligible = {check.name for check in WORLD.eligible()}

    assert "Staging API" in eligible
    assert eligible.isdisjoint({"Legacy SOAP endpoint", "Nightly backup heartbeat"})


def test_tags_and_ids_together_run_the_union() -> None:
    """Checkly does not say how they combine; the simulator's choice is the dangerous one."""
    staging = WORLD.named("Staging API").check_id

    selected = names_selected({"target": {"matchTags": [["e2e"]], "checkId": [staging.upper()]}})

    assert selected == {"End-to-end suite", "Staging API"}


def test_an_unknown_check_id_selects_nothing() -> None:
    """An id that matches no check is not an empty target."""
    assert names_selected({"target": {"checkId": ["8166fa86-c9b4-4162-8541-d380c6c212d8"]}}) == set()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, Target()),
        ({"target": {"matchTags": ["web"]}}, Target(match_tags=(("web",),))),
        ({"target": {"matchTags": ["web", ["a", "b"]]}}, Target(match_tags=(("web",), ("a", "b")))),
        (
            {"target": {"checkId": "8166fa86-c9b4-4162-8541-d380c6c212d8"}},
            Target(check_ids=frozenset({"8166fa86-c9b4-4162-8541-d380c6c212d8"})),
        ),
    ],
)
def test_v1_takes_bare_strings_and_a_missing_body_and_v2_refuses_them(body: Any, expected: Target) -> None:
    """The two versions differ in what they forgive."""
    assert parse_target(body, "v1") == expected
    with pytest.raises(MalformedTargetError):
        parse_target(body, "v2")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ([], '"body"'),
        ("web", '"body"'),
        ({"target": None}, '"target"'),
        ({"target": []}, '"target"'),
        ({"target": {"matchTags": "web"}}, '"target.matchTags"'),
        ({"target": {"matchTags": None}}, '"target.matchTags"'),
        ({"target": {"matchTags": [["a"], 1]}}, '"target.matchTags[1]"'),
        ({"target": {"matchTags": [["a", 1]]}}, '"target.matchTags[0]"'),
        ({"target": {"checkId": ["x"]}}, '"target.checkId[0]"'),
        ({"target": {"checkId": [7]}}, '"target.checkId[0]"'),
        ({"target": {"checkId": {}}}, '"target.checkId"'),
        ({"refreshCache": "yes"}, '"refreshCache"'),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_malformed_target_is_refused_with_its_place(body: Any, place: str, version: Any) -> None:
    """Nothing runs by mistake because a filter was misunderstood."""
    with pytest.raises(MalformedTargetError, match="must") as caught:
        parse_target(body, version)
    assert str(caught.value).startswith(place)
