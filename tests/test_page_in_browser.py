"""The page in a real browser: silent, self-contained, and it fits every screen, whatever the names."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, PdfMargins, ViewportSize, sync_playwright

from tests.pages import PAGES, write_page
from tests.stacked import LABELS, NAMELESS, OVERLAPS, tables_told

SCREENS: Final = (360, 768, 1440)
SCHEMES: Final = ("light", "dark")
ARTIFACTS: Final = Path(__file__).resolve().parent.parent / "artifacts"
"""Pictures for people to look at; git ignores the folder."""
AXE: Final = "4.14.1"
SERIOUS: Final = ("serious", "critical")
AUDITS: Final = (
    *(("demo", "light", 1440), ("everyday", "dark", 360)),
    *(("hostile", "light", 360), ("hostile", "dark", 1440), ("nothing", "light", 768)),
)
LARGEST: Final = 400_000
A4: Final = ViewportSize(width=718, height=1047)
"""The sheet between margins of a centimetre, in pixels."""
MARGINS: Final = PdfMargins(top="1cm", right="1cm", bottom="1cm", left="1cm")
PathOf = Callable[[str], Path]


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
def path_of(tmp_path_factory: pytest.TempPathFactory) -> PathOf:
    folder = tmp_path_factory.mktemp("pages")
    return lambda name: write_page(name, folder)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The accessibility checker's script, from npm."""
    npm = shutil.which("npm")
    assert npm, "the page's accessibility is checked by axe-core: install Node.js with npm"
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"axe-core@{AXE}"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder / "node_modules" / "axe-core" / "axe.min.js"


def visit(browser: Browser, path: Path, *, width: int = 1440, scheme: str = "light", unfold: bool = True) -> Watched:
    """Open the page, by default with every list unfolded, and watch it."""
    screen = ViewportSize(width=width, height=900)
    page = browser.new_page(viewport=screen, color_scheme="dark" if scheme == "dark" else "light")
    watched = Watched(page)
    page.on("console", lambda message: watched.console.append(message.text))
    page.on("pageerror", lambda error: watched.console.append(str(error)))
    page.on("request", lambda request: watched.requests.append(request.url))
    page.on("dialog", lambda dialog: watched.console.append(dialog.message))
    page.goto(path.as_uri(), wait_until="load")
    if unfold:
        page.evaluate("document.querySelectorAll('details').forEach(list => list.open = true)")
    return watched


@pytest.mark.parametrize("name", PAGES)
def test_the_page_fits_every_screen_and_asks_for_nothing(name: str, browser: Browser, path_of: PathOf) -> None:
    """Light and dark: wide tables scroll in their own frame, no refused script, no broken style, no request."""
    ARTIFACTS.mkdir(exist_ok=True)
    path = path_of(name)
    found = []
    for width in SCREENS:
        for scheme in SCHEMES:
            watched = visit(browser, path, width=width, scheme=scheme)
            wide = watched.page.evaluate("document.documentElement.scrollWidth")
            asked = [url for url in watched.requests if not url.startswith("data:")]
            found.append((wide <= width, watched.console, asked))
            watched.page.evaluate("document.querySelectorAll('details').forEach(list => list.open = false)")
            whole = name in {"demo", "hostile"} and (scheme == "light" or width == SCREENS[0])
            watched.page.screenshot(path=ARTIFACTS / f"{name}-{width}-{scheme}.png", full_page=whole)
            watched.page.close()

    assert found == [(True, [], [path.as_uri()])] * len(SCREENS) * len(SCHEMES)


@pytest.mark.parametrize("name", ["demo", "hostile", "nothing"])
def test_the_page_can_be_printed(name: str, browser: Browser, path_of: PathOf) -> None:
    """As PDF, folded lists unfolded, and nothing reaches over the edge of the sheet."""
    watched = visit(browser, path_of(name), unfold=False)

    pdf = watched.page.pdf(path=ARTIFACTS / f"{name}.pdf", format="A4", margin=MARGINS)

    assert pdf.startswith(b"%PDF-")
    watched.page.emulate_media(media="print")
    watched.page.set_viewport_size(A4)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= A4["width"]
    assert watched.page.get_by_text("The thresholds of this report").is_visible()
    assert watched.page.get_by_text("min_runs", exact=True).is_visible()
    watched.page.close()


def test_axe_finds_nothing_serious(browser: Browser, path_of: PathOf, axe: Path) -> None:
    """Light and dark, wide and narrow; the page's policy is set aside for the checker's own script alone."""
    found = []
    passed = 0
    for name, scheme, width in AUDITS:
        context = browser.new_context(
            bypass_csp=True,
            viewport=ViewportSize(width=width, height=900),
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        page.goto(path_of(name).as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(list => list.open = true)")
        page.add_script_tag(path=axe)
        result = page.evaluate("axe.run()")
        passed += sum(rule["id"] == "color-contrast" for rule in result["passes"])
        found += [
            (name, scheme, rule["id"], rule["nodes"][0]["html"])
            for rule in result["violations"]
            if rule["impact"] in SERIOUS
        ]
        context.close()

    assert found == []
    assert passed == len(AUDITS)


def test_light_and_dark_are_different_and_readable(browser: Browser, path_of: PathOf) -> None:
    """Text and ground swap."""
    grounds = []
    for scheme in SCHEMES:
        watched = visit(browser, path_of("one"), scheme=scheme)
        grounds.append(watched.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        watched.page.close()

    assert grounds == ["rgb(251, 251, 249)", "rgb(20, 24, 28)"]


def test_nothing_of_a_hostile_name_becomes_markup(browser: Browser, path_of: PathOf) -> None:
    """Names are text, and no link runs anything."""
    page = visit(browser, path_of("hostile")).page

    assert page.locator("script, img, iframe, [onerror], [onfocus], main style, a[href^=javascript]").count() == 0
    assert page.get_by_text("<script>alert(document.domain)</script>").count() > 0
    assert page.get_by_text("{{ 7 * 7 }}").count() > 0
    page.close()


def test_no_row_is_taller_than_its_neighbours_can_bear(browser: Browser, path_of: PathOf) -> None:
    """A name of hundreds of characters is cut, so that the table stays a table."""
    page = visit(browser, path_of("hostile")).page

    assert page.evaluate("Math.max(...[...document.querySelectorAll('tbody tr')].map(row => row.offsetHeight))") < 200
    page.close()


@pytest.mark.parametrize("name", ["everyday", "hostile"])
def test_on_a_narrow_screen_what_changed_needs_no_scrolling_sideways(
    name: str, browser: Browser, path_of: PathOf
) -> None:
    """A row is a block, each cell behind its column's name, however long the names; so are the key figures."""
    page = visit(browser, path_of(name), width=SCREENS[0]).page

    frames = page.locator(".scroll:has(> .stack)")
    assert frames.count() == 2
    assert frames.evaluate_all("all => all.map(frame => frame.scrollWidth - frame.clientWidth)") == [0, 0]
    assert page.locator(".stack").evaluate_all(LABELS) == [True, True]
    assert page.locator(".stack tbody tr").evaluate_all(OVERLAPS) == []
    page.close()


@pytest.mark.parametrize("name", ["everyday", "hostile"])
def test_a_table_of_blocks_is_still_a_table_to_a_screen_reader(name: str, browser: Browser, path_of: PathOf) -> None:
    """The same rows and cells with the same names as on a wide screen: no column is said twice, none is lost.

    Not every browser keeps the meaning of a cell that is laid out as a block, so each says its role itself.
    """
    trees = []
    for width in (SCREENS[0], SCREENS[-1]):
        page = visit(browser, path_of(name), width=width).page
        trees.append(tables_told(page))
        assert page.locator(NAMELESS).count() == 0
        page.close()

    narrow, wide = trees
    assert [role for role, _ in wide].count("row") > 100
    assert narrow == wide


def test_every_table_says_what_it_is_and_can_be_reached_with_the_keyboard(browser: Browser, path_of: PathOf) -> None:
    """A caption, scopes, and a frame that takes the focus and is named by the caption; ids are used once."""
    page = visit(browser, path_of("everyday")).page

    tables = page.locator("table").count()
    assert tables > 12
    assert page.locator("table > caption").count() == tables
    assert page.locator("th:not([scope])").count() == 0
    regions = page.locator("div[role=region][tabindex='0'][aria-labelledby] > table")
    assert regions.count() == tables
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))
    assert page.evaluate(
        "[...document.querySelectorAll('[aria-labelledby]')]"
        ".every(element => document.getElementById(element.getAttribute('aria-labelledby')))"
    )
    page.close()


def test_every_picture_has_words(browser: Browser, path_of: PathOf) -> None:
    """A drawing is either named, or hidden because the words stand beside it."""
    page = visit(browser, path_of("everyday")).page

    assert page.locator("svg").count() > 10
    assert page.locator("svg:not([aria-label]):not([aria-hidden=true])").count() == 0
    page.close()


def test_the_sections_stand_in_their_order(browser: Browser, path_of: PathOf) -> None:
    """What changed first, the definitions last."""
    page = visit(browser, path_of("everyday")).page

    assert page.locator("main h2").all_inner_texts() == [
        "Summary",
        "What changed",
        "Key figures",
        "Coverage",
        "Checks, worst first",
        "Flakiness by run location",
        "The flakiest checks, session by session",
        "timeElapsed",
        "Incidents",
        "When sessions failed",
        "Not enough data",
        "Definitions",
    ]
    page.close()


def test_the_page_says_the_week_in_words(browser: Browser, path_of: PathOf) -> None:
    """Rates with their fraction and interval, few runs as such, an outage as no flake, what changed."""
    text = visit(browser, path_of("everyday")).page.inner_text("body").replace("\u2068", "").replace("\u2069", "")

    assert "4 of 6 checks failed at least once" in text
    assert "Search turned broken" in text
    assert "1,719 recorded of 1,720 expected, 1 missing" in text
    assert "97.50 % (156/160), 95 %: 93.7-99.0" in text
    assert "0 of 161 failed (95 %: at most 2.3 %)" in text
    assert "2/3 passed, not enough runs (n=3)" in text
    assert "12 of 22 failed results came from sessions that failed in most of their locations: outage" in text
    assert "2 checks ran on more than one set of run locations" in text
    assert "stable" not in text.lower()


def test_a_window_without_data_says_so_and_makes_up_nothing(browser: Browser, path_of: PathOf) -> None:
    """Not a rate, not a table of zeros."""
    text = visit(browser, path_of("nothing")).page.inner_text("main")

    assert "No session was recorded in this window, so there is nothing to rate." in text
    assert "100 %" not in text.replace("never rounded up to 100 %", "")
    assert "Key figures" not in text


def test_two_thousand_checks_are_one_page_that_says_what_it_leaves_out(path_of: PathOf) -> None:
    """Lists are folded, then cut; the files have them all."""
    path = path_of("many")

    text = path.read_text(encoding="utf-8")

    assert path.stat().st_size < LARGEST
    assert "1,333 checks without a failed session" in text
    assert "And 1,258 checks more, in checks.csv." in text
    assert "And 567 checks more, in checks.csv." in text
