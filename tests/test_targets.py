"""What may be sent as a trigger, and what must never be."""

import json
from typing import Any
from uuid import UUID

import pytest

from recorder.errors import ConfigError
from recorder.targets import Target, require_safe_body
from tests import documented

CHECK_ID = UUID(documented.CHECK_ID)


def test_a_target_of_tags_and_checks_becomes_the_documented_body() -> None:
    """Compact, ASCII, the same bytes each time: its hash goes into the ledger."""
    target = Target(match_tags=(("production", "!skip-e2e"),), check_ids=(CHECK_ID,))

    body = target.request_body()

    assert json.loads(body) == documented.TRIGGER_REQUEST
    assert body == (
        b'{"target":{"matchTags":[["production","!skip-e2e"]],"checkId":["a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a"]}}'
    )


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (Target(match_tags=(("a", "b"), ("c",))), {"target": {"matchTags": [["a", "b"], ["c"]]}}),
        (Target(check_ids=(CHECK_ID,)), {"target": {"checkId": [documented.CHECK_ID]}}),
        (Target(match_tags=(("a",),), refresh_cache=True), {"target": {"matchTags": [["a"]]}, "refreshCache": True}),
        (Target(run_everything=True), {}),
        (Target(run_everything=True, refresh_cache=True), {"refreshCache": True}),
        (
            Target(match_tags=(("zahlung-ü", "two words", "🛒"),)),
            {"target": {"matchTags": [["zahlung-ü", "two words", "🛒"]]}},
        ),
    ],
)
def test_what_is_not_chosen_is_left_out_of_the_body(target: Target, body: dict[str, Any]) -> None:
    """An empty `matchTags` or `checkId` is never sent: nobody documents what it means."""
    assert json.loads(target.request_body()) == body


UNSAFE_TAGS: list[Any] = [
    (),
    ((),),
    (("",),),
    (("  ",),),
    (("!",),),
    (("! ",),),
    (("\u200b",),),
    (("\u00a0",),),
    (("a", ""),),
    (("a",), ()),
    ((" a",),),
    (("a ",),),
    (("! a",),),
    (("a\n",),),
    (("a\x00b",),),
    (("a\tb",),),
    (("a\u2028b",),),
    (("a\ud800",),),
    (("!!a",),),
    ("production",),
    ((1,),),
    ((None,),),
]


@pytest.mark.parametrize("match_tags", UNSAFE_TAGS, ids=ascii)
def test_an_empty_or_misspelt_target_is_refused_where_the_request_is_built(match_tags: Any) -> None:
    """Checkly takes an empty target for the whole account, with its alerts and its bill."""
    with pytest.raises(ConfigError) as refusal:
        Target(match_tags=match_tags).request_body()

    assert {problem.place for problem in refusal.value.problems} == {"target"}


@pytest.mark.parametrize("chosen", [{"match_tags": (("a",),)}, {"check_ids": (CHECK_ID,)}])
def test_running_everything_excludes_choosing(chosen: dict[str, Any]) -> None:
    """Whoever names tags and also sets run_everything may have meant either."""
    with pytest.raises(ConfigError, match="contradict"):
        Target(run_everything=True, **chosen).request_body()


def test_a_check_that_is_named_by_something_else_than_a_uuid_is_refused() -> None:
    """The type says UUID; a wrong caller must not reach the wire."""
    with pytest.raises(ConfigError, match="not the UUID"):
        Target(check_ids=("",)).request_body()  # type: ignore[arg-type]


def test_every_mistake_of_a_target_is_named_at_once() -> None:
    """One run of check-config shows all there is to correct."""
    problems = Target(match_tags=(("",), (" a", "b\x07"))).problems("schedules[0].match_tags")

    assert [problem.place for problem in problems] == ["schedules[0].match_tags"] * 3


def test_the_last_guard_lets_through_what_a_target_built() -> None:
    """Also the whole account, when the caller says so."""
    require_safe_body(Target(match_tags=(("a", "!b"),), refresh_cache=True).request_body(), allow_everything=False)
    require_safe_body(Target(check_ids=(CHECK_ID,)).request_body(), allow_everything=False)
    require_safe_body(Target(run_everything=True).request_body(), allow_everything=True)


@pytest.mark.parametrize("allow_everything", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"not json",
        b"[" * 100_000,
        b'{"target":{}}',
        b'{"target":null}',
        b'{"target":{"matchTags":[]}}',
        b'{"target":{"matchTags":[[]]}}',
        b'{"target":{"matchTags":[[""]]}}',
        b'{"target":{"matchTags":["production"]}}',
        b'{"target":{"matchTags":[["a"]],"checkId":[]}}',
        b'{"target":{"tags":[["a"]]}}',
        b'{"Target":{"matchTags":[["a"]]}}',
        b'{"target":{},"target":{"matchTags":[["a"]]}}',
        b'{"target":{"checkId":["not-a-uuid"]}}',
        b'{"target":{"matchTags":[["a"]]},"refreshCache":"yes"}',
    ],
    ids=lambda value: repr(value)[:50],
)
def test_the_last_guard_refuses_a_body_that_no_valid_target_builds(body: bytes, *, allow_everything: bool) -> None:
    """Whatever built it: a hand, an older version, a bug."""
    with pytest.raises(ConfigError):
        require_safe_body(body, allow_everything=allow_everything)


@pytest.mark.parametrize("body", [b"{}", b'{"refreshCache":true}'])
def test_the_last_guard_refuses_the_whole_account_unless_told_so(body: bytes) -> None:
    """An empty body is valid for Checkly; that is the danger."""
    with pytest.raises(ConfigError, match="every check of the account"):
        require_safe_body(body, allow_everything=False)
