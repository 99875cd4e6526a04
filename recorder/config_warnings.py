"""Pure: what is allowed in a configuration and yet probably not meant, or not documented by Checkly."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from recorder.settings import DeliverySettings, ScheduleSettings, Settings
from recorder.tags import implies
from recorder.wording import quoted, suggestion

CHECKLY_LIMIT: Final = 600
"""Requests a minute that Checkly allows on most routes."""

PUBLIC_LOCATIONS: Final = tuple(
    """
    us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-north-1
    eu-south-1 me-south-1 af-south-1 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-northeast-1 ap-northeast-2
    ap-northeast-3 ap-east-1 ap-south-1
    """.split()
)
"""Checkly's own locations when this was written; only for hints, private locations have any name."""


def warnings_for(settings: Settings) -> list[str]:
    """One sentence for each thing worth a second look; nothing here stops the recorder."""
    return list(_warnings(settings))


def _warnings(settings: Settings) -> Iterator[str]:
    if not settings.schedules:
        yield "there are no schedules: nothing is triggered by itself"
    if settings.checkly.requests_per_minute > CHECKLY_LIMIT:
        yield f"checkly.requests_per_minute is above {CHECKLY_LIMIT}, which is what Checkly allows: expect answers 429"
    for schedule in settings.schedules:
        for sentence in (*_about_target(schedule), *_about_times(schedule), *_about_locations(schedule)):
            yield f"schedule {quoted(schedule.name)}: {sentence}"
    for delivery in settings.deliveries:
        for sentence in (*_about_schedules(delivery, settings.schedules), *_about_tags(delivery, settings.schedules)):
            yield f"delivery {quoted(delivery.name)}: {sentence}"


def _about_target(schedule: ScheduleSettings) -> Iterator[str]:
    if schedule.run_everything:
        yield "run_everything runs every check of the account, with its alerts and its bill"
    if schedule.match_tags and schedule.check_ids:
        yield "match_tags and check_ids are both sent, but Checkly does not document how they combine"
    for group in schedule.match_tags:
        excluded = {tag[1:] for tag in group if tag.startswith("!")}
        shown = _shown(group)
        if len(excluded) == len(set(group)):
            yield f"{shown} only excludes: it runs every other check of the account"
        if excluded & set(group):
            yield f"{shown} wants a tag and excludes it: it can match nothing"


def _about_times(schedule: ScheduleSettings) -> Iterator[str]:
    if schedule.every is not None and schedule.timezone != "UTC":
        yield "timezone has no effect on every, which is aligned to the clock of UTC"


def _about_locations(schedule: ScheduleSettings) -> Iterator[str]:
    for location in schedule.expect_locations:
        close = get_close_matches(location, PUBLIC_LOCATIONS, n=1, cutoff=0.85)
        if close and location not in PUBLIC_LOCATIONS:
            yield f"expect_locations names {quoted(location)}, which is no public location; {quoted(close[0])} is one"


def _about_schedules(delivery: DeliverySettings, schedules: Sequence[ScheduleSettings]) -> Iterator[str]:
    known = [schedule.name for schedule in schedules]
    for name in delivery.schedules:
        if name not in known:
            yield f"there is no schedule {quoted(name)}{suggestion(name, known)}"


def _about_tags(delivery: DeliverySettings, schedules: Sequence[ScheduleSettings]) -> Iterator[str]:
    """A schedule whose targets fit the delivery only in part tells nothing of the tags of any one check."""
    by_tags = [schedule.match_tags for schedule in schedules if not schedule.check_ids]
    leading = [group for groups in by_tags if implies(groups, delivery.match_tags) for group in groups]
    known = {tag for groups in by_tags for group in groups for tag in group}
    for group in delivery.match_tags:
        if not any(set(group).issubset(one) for one in leading):
            hint = next((suggestion(tag, known) for tag in group if tag not in known), "")
            yield f"no schedule triggers only checks that fit {_shown(group)}{hint}"


def _shown(group: Sequence[str]) -> str:
    return f"[{', '.join(quoted(tag) for tag in group)}]"
