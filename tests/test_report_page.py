"""The page in a real browser: silent, self-contained, and it fits every screen, whatever the names."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from recorder.excluding import Span, add_exclusion
from reports.weekly import build_report, write_report
from tests.past import Payload, empty_database, hourly, record, session, week

HOSTILE = [
    "<script>alert(document.domain)</script><img src=https://evil.example/x onerror=alert(1)>",
    "</title></style><style>@import 'https://evil.example/x.css';</style>",
    '"><a href="javascript:alert(1)" autofocus onfocus=alert(1)>{{ 7 * 7 }}{% raw %}',
    "x" * 1000,
    "\u202eright to left override\u2066 isolate",
    "فحص تسجيل الدخول " * 9,
    "👩‍💻🧑🏽‍🚒🇩🇪" * 12,
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘" * 4,
    "=cmd()|' /C calc'!A0",
    "\x00\x07\u2028\n\t",
    "",
]
SCREENS = [360, 768, 1440]


def everyday() -> list[Payload]:
    """A flaky location, an outage, a steady check, one that ran thrice, one that changed its locations."""
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
    return [*steady, *flaky, *outage, *moved, *hourly(["pass", "fail", "pass"], check="Rare")]


def hostile() -> list[Payload]:
    """Every hostile text as the name of a check, of a location and as a type; failures bring it into all tables."""
    places = [text or "nameless" for text in HOSTILE]
    return [
        session(
            hour,
            {place: "fail" if (hour + n) % 9 == 0 else "pass" for n, place in enumerate(places)},
            check=f"{number}",
            name=name,
            check_type=name or "API",
            link="javascript:alert(1)",
        )
        for number, name in enumerate(HOSTILE)
        for hour in range(24)
    ]


DATABASES = {"everyday": everyday, "hostile": hostile, "empty": list}


@dataclass(slots=True)
class Watched:
    """A page and what it said and asked for."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "the page is tested in a browser: install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    written = {}
    for name, payloads in DATABASES.items():
        engine = empty_database()
        record(engine, payloads())
        if name == "hostile":
            for text in HOSTILE[:9]:
                add_exclusion(engine, Span(week().start, week().start + timedelta(hours=9)), reason=text, who=text)
        written[name] = write_report(build_report(engine, week()), tmp_path_factory.mktemp(name))[0]
    return written


def visit(browser: Browser, path: Path, *, width: int = 1440, dark: bool = False) -> Watched:
    """Open the page with every list unfolded, and watch it."""
    screen = ViewportSize(width=width, height=900)
    page = browser.new_page(viewport=screen, color_scheme="dark" if dark else "light")
    watched = Watched(page)
    page.on("console", lambda message: watched.console.append(message.text))
    page.on("pageerror", lambda error: watched.console.append(str(error)))
    page.on("request", lambda request: watched.requests.append(request.url))
    page.on("dialog", lambda dialog: watched.console.append(dialog.message))
    page.goto(path.as_uri(), wait_until="load")
    page.evaluate("document.querySelectorAll('details').forEach(list => list.open = true)")
    return watched


@pytest.mark.parametrize("name", sorted(DATABASES))
def test_the_page_asks_for_nothing_and_the_browser_complains_of_nothing(
    name: str, browser: Browser, pages: dict[str, Path]
) -> None:
    """Neither a refused script nor a broken style."""
    watched = visit(browser, pages[name])

    assert watched.console == []
    assert [url for url in watched.requests if not url.startswith("data:")] == [pages[name].as_uri()]
    watched.page.close()


@pytest.mark.parametrize("name", sorted(DATABASES))
@pytest.mark.parametrize("width", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_the_screen(name: str, width: int, scheme: str, browser: Browser, pages: dict[str, Path]) -> None:
    """Wide tables scroll inside their own frame."""
    watched = visit(browser, pages[name], width=width, dark=scheme == "dark")

    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    watched.page.close()


def test_light_and_dark_are_different_and_readable(browser: Browser, pages: dict[str, Path]) -> None:
    """Text and ground swap."""
    grounds = []
    for dark in (False, True):
        watched = visit(browser, pages["everyday"], dark=dark)
        grounds.append(watched.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        watched.page.close()

    assert grounds == ["rgb(251, 251, 249)", "rgb(20, 24, 28)"]


def test_nothing_of_a_hostile_name_becomes_markup(browser: Browser, pages: dict[str, Path]) -> None:
    """Names are text, and no link runs anything."""
    page = visit(browser, pages["hostile"]).page

    assert page.locator("script, img, iframe, [onerror], [onfocus], main style, a[href^=javascript]").count() == 0
    assert page.get_by_text("<script>alert(document.domain)</script>").count() > 0
    assert page.get_by_text("{{ 7 * 7 }}").count() > 0
    page.close()


def test_no_row_is_taller_than_its_neighbours_can_bear(browser: Browser, pages: dict[str, Path]) -> None:
    """A name of a thousand characters is cut, so that the table stays a table."""
    page = visit(browser, pages["hostile"]).page

    assert page.evaluate("Math.max(...[...document.querySelectorAll('tbody tr')].map(row => row.offsetHeight))") < 200
    page.close()


def test_every_table_says_what_it_is_and_can_be_reached_with_the_keyboard(
    browser: Browser, pages: dict[str, Path]
) -> None:
    """A caption, scopes, and a frame that takes the focus and is named by the caption."""
    page = visit(browser, pages["everyday"]).page

    tables = page.locator("table").count()
    assert tables == 9
    assert page.locator("table > caption").count() == tables
    assert page.locator("th:not([scope])").count() == 0
    regions = page.locator("div[role=region][tabindex='0'][aria-labelledby] > table")
    assert regions.count() == tables
    assert page.evaluate(
        "[...document.querySelectorAll('[aria-labelledby]')]"
        ".every(element => document.getElementById(element.getAttribute('aria-labelledby')))"
    )
    page.close()


def test_the_page_says_the_week_in_words(browser: Browser, pages: dict[str, Path]) -> None:
    """Rates with their fraction and interval, few runs as such, an outage as no flake."""
    text = visit(browser, pages["everyday"]).page.inner_text("main")

    assert "3 of 5 checks failed at least once" in text
    assert "97.50 % (156/160), 95 %: 93.7-99.0" in text
    assert "0 of 160 failed (95 %: at most 2.3 %)" in text
    assert "2/3 passed, not enough runs (n=3)" in text
    assert "12 of 17 failed results came from sessions that failed in most of their locations: outage" in text
    assert "1 check ran on more than one set of run locations" in text
