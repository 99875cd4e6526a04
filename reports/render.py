"""Renders a report as one self-contained HTML page: no script, no request, the same bytes for the same report."""

from collections.abc import Sequence

from reports import charts
from reports.frames import LEVEL_DAYS, RECENT_DAYS
from reports.page import describe
from reports.report import Report
from reports.templating import new_environment


def render_page(report: Report, *, files: Sequence[str] = ()) -> str:
    """The whole page as HTML text; `files` are the names of data files that lie beside it."""
    environment = new_environment()
    environment.globals.update(
        spark_height=charts.SPARK_HEIGHT,
        strip_height=charts.STRIP_HEIGHT,
        strip_path=charts.strip_path,
        limits=report.thresholds,
        recent_days=RECENT_DAYS,
        level_days=LEVEL_DAYS,
    )
    return environment.get_template("index.html.j2").render(page=describe(report), files=files)
