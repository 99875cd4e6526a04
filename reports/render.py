"""Renders a report as one self-contained HTML page: no script, no request, the same bytes for the same report."""

from collections.abc import Sequence

from reports import charts
from reports.page import describe
from reports.report import Report
from reports.templating import new_environment


def render_page(report: Report, *, files: Sequence[str] = ()) -> str:
    """The whole page as HTML text; `files` are the names of data files that lie beside it."""
    environment = new_environment()
    environment.globals.update(
        spark_step=charts.SPARK_STEP,
        spark_height=charts.SPARK_HEIGHT,
        min_runs=report.thresholds.min_runs,
        isolated_max=report.thresholds.isolated_sessions,
        gap_medians=report.thresholds.gap_intervals,
        gap_hours=report.thresholds.gap_hours,
    )
    return environment.get_template("index.html.j2").render(page=describe(report), files=files)
