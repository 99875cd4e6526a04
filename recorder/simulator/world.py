"""The standing inventory of a simulated account: its checks, groups, tags and locations."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Final

DEFAULT_ACCOUNT_ID: Final = "1397c172-1938-4973-a225-5862298e571a"
NAMESPACE: Final = uuid.UUID("6f1d3c52-6a5b-4f0e-9a39-51a1c0de0c4e")

US_EU_ASIA: Final = ("us-east-1", "eu-central-1", "ap-southeast-1")
FOUR_WORLDWIDE: Final = ("us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2")
SIX_WORLDWIDE: Final = ("us-east-1", "us-west-1", "sa-east-1", "eu-central-1", "ap-northeast-1", "ap-south-1")


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """A group of checks; its tags count for each of them."""

    group_id: int
    name: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: what it is, where it runs and how long one run usually takes.

    `median_ms` and `noise` (the sigma of a lognormal) describe one run at one location. A check that is not
    `run_parallel` runs at one location per session, in turn, and its retry may move to another one.
    """

    name: str
    check_type: str
    tags: frozenset[str]
    median_ms: float
    check_id: str = ""
    locations: tuple[str, ...] = ()
    private_locations: tuple[str, ...] = ()
    group: CheckGroup | None = None
    noise: float = 0.2
    max_retries: int = 1
    backoff_ms: int = 5_000
    frequency_minutes: int = 60
    run_parallel: bool = True
    activated: bool = True
    muted: bool = False
    url: str | None = None
    script_path: str | None = None

    @property
    def all_tags(self) -> frozenset[str]:
        """The check's own tags and those of its group."""
        return self.tags if self.group is None else self.tags | self.group.tags

    @property
    def all_locations(self) -> tuple[str, ...]:
        """Public locations first, then private ones."""
        return self.locations + self.private_locations

    @property
    def is_eligible(self) -> bool:
        """Activated and runnable: muted checks still run, heartbeats have nothing to run."""
        return self.activated and self.check_type != "HEARTBEAT"


@dataclass(frozen=True, slots=True)
class World:
    """One account as Checkly would hold it."""

    seed: int
    account_id: str
    checks: tuple[Check, ...]
    account_name: str = "Simulated shop"
    _by_id: dict[str, Check] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the checks by their id."""
        object.__setattr__(self, "_by_id", {check.check_id: check for check in self.checks})

    @property
    def groups(self) -> tuple[CheckGroup, ...]:
        """The groups that hold at least one check, by id."""
        groups = {check.group for check in self.checks if check.group is not None}
        return tuple(sorted(groups, key=lambda group: group.group_id))

    def find(self, check_id: str) -> Check | None:
        """Find the check with this id."""
        return self._by_id.get(check_id)

    def named(self, name: str) -> Check:
        """Return the check of this name; KeyError when there is none."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def eligible(self) -> tuple[Check, ...]:
        """List the checks that a trigger can run."""
        return tuple(check for check in self.checks if check.is_eligible)


def default_world(seed: int, account_id: str = DEFAULT_ACCOUNT_ID) -> World:
    """Build the built-in shop: fourteen checks, twelve of them eligible; the ids follow from seed and account."""
    checks = tuple(
        replace(check, check_id=str(uuid.uuid5(NAMESPACE, f"{seed}/{account_id}/{check.name}")))
        for check in SHOP_CHECKS
    )
    return World(seed=seed, account_id=account_id, checks=checks)


STOREFRONT: Final = CheckGroup(101, "Storefront", frozenset({"web", "production"}))
CHECKOUT: Final = CheckGroup(102, "Checkout", frozenset({"checkout", "critical", "production"}))
SHOP_CHECKS: Final = (
    Check(
        name="Storefront homepage",
        check_type="URL",
        tags=frozenset({"smoke"}),
        group=STOREFRONT,
        locations=SIX_WORLDWIDE,
        median_ms=900,
        url="https://shop.example/",
    ),
    Check(
        name="Search results",
        check_type="BROWSER",
        tags=frozenset({"search"}),
        group=STOREFRONT,
        locations=US_EU_ASIA,
        median_ms=18_000,
        noise=0.12,
        backoff_ms=10_000,
        script_path="checks/search.spec.ts",
    ),
    Check(
        name="Product catalogue API",
        check_type="API",
        tags=frozenset({"api"}),
        group=STOREFRONT,
        locations=FOUR_WORLDWIDE,
        median_ms=1_400,
        url="https://api.shop.example/products",
    ),
    Check(
        name="Checkout flow",
        check_type="BROWSER",
        tags=frozenset({"web"}),
        group=CHECKOUT,
        locations=FOUR_WORLDWIDE,
        median_ms=26_000,
        noise=0.12,
        backoff_ms=10_000,
        script_path="checks/checkout.spec.ts",
    ),
    Check(
        name="Payments API",
        check_type="API",
        tags=frozenset({"api"}),
        group=CHECKOUT,
        locations=FOUR_WORLDWIDE,
        median_ms=1_100,
        max_retries=2,
        frequency_minutes=30,
        url="https://api.shop.example/payments/health",
    ),
    Check(
        name="Cart API",
        check_type="API",
        tags=frozenset({"api", "skip-e2e"}),
        group=CHECKOUT,
        locations=("us-east-1", "eu-central-1"),
        median_ms=700,
        url="https://api.shop.example/cart",
    ),
    Check(
        name="Login journey",
        check_type="MULTI_STEP",
        tags=frozenset({"production", "web", "critical"}),
        locations=US_EU_ASIA,
        median_ms=6_500,
        noise=0.14,
        script_path="checks/login.spec.ts",
    ),
    Check(
        name="End-to-end suite",
        check_type="PLAYWRIGHT",
        tags=frozenset({"production", "e2e"}),
        locations=("us-east-1", "eu-west-1"),
        median_ms=150_000,
        noise=0.08,
        backoff_ms=15_000,
        frequency_minutes=120,
    ),
    Check(
        name="Order database port",
        check_type="TCP",
        tags=frozenset({"production", "infrastructure"}),
        locations=("eu-central-1",),
        private_locations=("berlin-office",),
        median_ms=600,
        url="orders-db.shop.example:5432",
    ),
    Check(
        name="Name resolution",
        check_type="DNS",
        tags=frozenset({"production", "infrastructure"}),
        locations=("us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2", "sa-east-1"),
        median_ms=450,
        url="shop.example",
    ),
    Check(
        name="Status page",
        check_type="URL",
        tags=frozenset({"production", "web"}),
        locations=FOUR_WORLDWIDE,
        run_parallel=False,
        median_ms=800,
        url="https://status.shop.example/",
    ),
    Check(
        name="Staging API",
        check_type="API",
        tags=frozenset({"staging", "api"}),
        locations=("eu-central-1", "eu-west-1"),
        median_ms=1_900,
        frequency_minutes=120,
        muted=True,
        url="https://api.staging.shop.example/health",
    ),
    Check(
        name="Legacy SOAP endpoint",
        check_type="API",
        tags=frozenset({"production", "legacy"}),
        locations=("us-east-1",),
        median_ms=2_500,
        activated=False,
        url="https://soap.shop.example/",
    ),
    Check(
        name="Nightly backup heartbeat",
        check_type="HEARTBEAT",
        tags=frozenset({"production", "infrastructure"}),
        median_ms=0,
        frequency_minutes=1_440,
    ),
)
