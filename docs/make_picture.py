"""Takes docs/report.png, the picture in the README, of a report's page: `python docs/make_picture.py INDEX_HTML`."""  # noqa: INP001 - a script

import shutil
import sys
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

PICTURE = Path(__file__).resolve().parent / "report.png"
SCREEN = ViewportSize(width=1200, height=1560)


def main(page: Path) -> None:
    """Open the page as a reader on a desk would see it first, and keep what is seen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport=SCREEN, color_scheme="light")
        tab.goto(page.resolve().as_uri())
        tab.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
