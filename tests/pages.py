"""The pages that the browser looks at: the demo's past, an everyday week, hostile names, nothing, one, very many."""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

from recorder.simulator.history import past_sessions
from recorder.simulator.world import default_world
from reports.thresholds import DEFAULTS, Thresholds
from reports.weekly import build_report, write_report
from tests.past import MONDAY, Payload, empty_database, hourly, record, session, week

HOSTILE = [
    "<script>alert(document.domain)</script><img src=https://evil.example/x onerror=alert(1)>",
    "</title></style><style>@import 'https://evil.example/x.css';</style>",
    '"><a href="javascript:alert(1)" autofocus onfocus=alert(1)>{{ 7 * 7 }}{% raw %}',
    "x" * 300,
    "\u202eright to left override\u2066 isolate",
    "فحص تسجيل الدخول " * 9,
    "👩‍💻🧑🏽‍🚒🇩🇪" * 12,
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘" * 4,
    "=cmd()|' /C calc'!A0",
    "\x00\x07\u2028\n\t",
    "",
]
MANY = 2_000


def demo() -> list[Payload]:
    """Eight weeks of the world that `recorder demo` shows, each check six times a day."""
    start, end = MONDAY - timedelta(weeks=7), MONDAY + timedelta(weeks=1)
    return list(past_sessions(default_world(seed=1), start=start, end=end, cadence=timedelta(hours=4)))


def everyday() -> list[Payload]:
    """A flaky location, an outage, a steady check, one that ran thrice, one that changed its locations, one that broke.

    The week before was fine, so that there is something to compare with.
    """
    places = ["eu-central-1", "us-east-1", "ap-southeast-2"]
    steady = [session(hour, dict.fromkeys(places, "pass"), check="Cart", elapsed=900 + hour) for hour in range(160)]
    flaky = [
        session(
            hour, {**dict.fromkeys(places, "pass"), "us-east-1": "fail" if hour % 40 == 7 else "pass"}, check="Login"
        )
        for hour in range(160)
    ]
    outage = [
        session(
            hour, dict.fromkeys(places, "fail" if 50 < hour < 55 else "pass"), check="Pay", retried=places[: hour % 2]
        )
        for hour in range(160)
    ]
    moved = [session(hour, dict.fromkeys(places[: 1 + hour // 80], "pass"), check="Moved") for hour in range(160)]
    missing = session(160, {places[0]: "pass", places[1]: None}, check="Cart")
    broke = [*hourly(["pass"] * 60, start=-168, check="Search"), *hourly(["pass"] * 30 + ["fail"] * 5, check="Search")]
    return [*steady, *flaky, *outage, *moved, missing, *broke, *hourly(["pass", "fail", "pass"], check="Rare")]


def hostile() -> list[Payload]:
    """Every hostile text as the name of a check, of a location and as a type; failures bring it into all tables.

    One check moved from a location with a long name to that one and another, so that they share a cell.
    """
    places = [text or "nameless" for text in HOSTILE]
    before = [one for number, name in enumerate(HOSTILE) for one in _named(number, name, places, start=-168, every=0)]
    now = [one for number, name in enumerate(HOSTILE) for one in _named(number, name, places, start=0, every=9)]
    long = HOSTILE[3]
    moved = {-168: [long], 0: [long, "eu"]}
    return [
        *before,
        *now,
        *(
            session(start + hour, dict.fromkeys(ran, "pass"), check="Moved")
            for start, ran in moved.items()
            for hour in range(24)
        ),
    ]


def _named(number: int, name: str, places: list[str], *, start: int, every: int) -> list[Payload]:
    return [
        session(
            start + hour,
            {place: "fail" if every and (hour + n) % every == 0 else "pass" for n, place in enumerate(places)},
            check=f"{number}",
            name=name,
            check_type=name or "API",
            link="javascript:alert(1)",
        )
        for hour in range(24)
    ]


def many() -> list[Payload]:
    """Two sessions of each of two thousand checks; every third fails, at one of its locations."""
    return [
        session(hour, {"eu": "pass", "us": "fail" if number % 3 == 0 and hour else "pass"}, check=f"Check {number:04}")
        for number in range(MANY)
        for hour in range(2)
    ]


def one() -> list[Payload]:
    """A single session."""
    return [session(30, {"eu": "pass"})]


PAGES: dict[str, Callable[[], list[Payload]]] = {
    "demo": demo,
    "everyday": everyday,
    "hostile": hostile,
    "nothing": list,
    "one": one,
    "many": many,
}
_LIMITS = {"many": Thresholds(min_runs=2)}
"""So that two sessions are enough to be ranked."""


@cache
def write_page(name: str, folder: Path) -> Path:
    """Record, measure and write one of the PAGES; the path of its page. Once per process and folder."""
    engine = empty_database()
    record(engine, PAGES[name]())
    report = build_report(engine, week(), _LIMITS.get(name, DEFAULTS))
    engine.dispose()
    return write_report(report, folder / name)[0]
