"""What goes wrong in a simulated account, when and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

ALWAYS_SINCE: Final = datetime.min.replace(tzinfo=UTC)
FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)
RETRY_FAILURE_RATE: Final = 0.12


class Conditions(NamedTuple):
    """The odds and the pace of one try at one location."""

    first_try_failure: float = 0.003
    retry_failure: float = 0.1
    degraded: float = 0.001
    slowdown: float = 1.0


NORMAL: Final = Conditions()


class Kind(StrEnum):
    """The behaviours; `strength` means something else for each."""

    FLAKY_LOCATION = "flaky_location"  # strength: failure rate of first tries
    OUTAGE = "outage"  # every try fails; strength unused
    DEGRADED = "degraded"  # strength: slowdown factor, nine runs in ten are degraded
    DRIFT = "drift"  # strength: growth reached at the end, and kept from there on
    STEP = "step"  # strength: growth from the beginning on
    CANCELLED_RUN = (
        "cancelled_run"  # the first run of the past at or after the beginning; strength: share of it that ran
    )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One behaviour of one check in `[begins, ends)`; `location` None means all of them."""

    name: str
    kind: Kind
    check_name: str
    begins: datetime = ALWAYS_SINCE
    ends: datetime = FOR_EVER
    location: str | None = None
    strength: float = 1.0

    def covers(self, location: str, at: datetime) -> bool:
        """Tell whether the scenario is on at this place and time; drifts and steps last for ever."""
        if at < self.begins or (self.location is not None and self.location != location):
            return False
        return at < self.ends or self.kind is Kind.DRIFT


def default_scenarios(anchor: datetime) -> tuple[Scenario, ...]:
    """Return the built-in story of the shop, placed relative to `anchor`, the end of the past.

    The step begins with the last full ISO week (UTC) before the anchor, so that a weekly report can see it against
    the weeks before; outage, degraded day and cancelled run lie inside that week, the older outage four weeks earlier.
    """
    week = _last_full_week(anchor)
    cancelled = week + timedelta(days=1, hours=10)
    outage = week + timedelta(days=2, hours=9)
    degraded_day = week + timedelta(days=3)
    older_outage = outage - timedelta(weeks=4)
    return (
        Scenario("flaky location", Kind.FLAKY_LOCATION, "Checkout flow", location="ap-southeast-2", strength=0.12),
        Scenario("outage", Kind.OUTAGE, "Payments API", outage, outage + timedelta(hours=3.5)),
        Scenario("older outage", Kind.OUTAGE, "Cart API", older_outage, older_outage + timedelta(hours=5)),
        Scenario(
            "degraded day",
            Kind.DEGRADED,
            "Product catalogue API",
            degraded_day,
            degraded_day + timedelta(days=1),
            strength=1.7,
        ),
        Scenario("slow drift", Kind.DRIFT, "Login journey", anchor - timedelta(weeks=8), anchor, strength=0.28),
        Scenario("step", Kind.STEP, "Search results", week, strength=0.35),
        Scenario("cancelled run", Kind.CANCELLED_RUN, "End-to-end suite", cancelled, strength=0.4),
    )


def _last_full_week(anchor: datetime) -> datetime:
    midnight = anchor.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday() + 7)


def conditions_at(scenarios: Sequence[Scenario], location: str, at: datetime) -> Conditions:
    """Combine the scenarios of one check that are on at this location and time."""
    conditions = NORMAL
    for scenario in scenarios:
        if scenario.covers(location, at):
            conditions = _under(conditions, scenario, at)
    return conditions


def _under(conditions: Conditions, scenario: Scenario, at: datetime) -> Conditions:
    match scenario.kind:
        case Kind.FLAKY_LOCATION:
            return conditions._replace(first_try_failure=scenario.strength, retry_failure=RETRY_FAILURE_RATE)
        case Kind.OUTAGE:
            return conditions._replace(first_try_failure=1.0, retry_failure=1.0)
        case Kind.DEGRADED:
            return conditions._replace(degraded=0.9, slowdown=conditions.slowdown * scenario.strength)
        case Kind.DRIFT:
            share = min(1.0, (at - scenario.begins) / (scenario.ends - scenario.begins))
            return conditions._replace(slowdown=conditions.slowdown * (1 + scenario.strength * share))
        case Kind.STEP:
            return conditions._replace(slowdown=conditions.slowdown * (1 + scenario.strength))
        case Kind.CANCELLED_RUN:
            return conditions
