"""Renders a report as one self-contained HTML page: no script, no request, the same bytes for the same report."""

from collections.abc import Sequence

from reports.page import describe
from reports.report import Report
from reports.templating import environment


def render_page(report: Report, *, files: Sequence[str] = ()) -> str:
    """The whole page as HTML text; `files` are the names of data files that lie beside it."""
    template = environment().get_template("index.html.j2")
    return template.render(page=describe(report), limits=report.thresholds, files=files)
