"""Pure: a report in a few lines of HTML, for a mail or a chat."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports import wording
from reports.headline import headline, title, window_lines
from reports.report import Report
from reports.templating import environment


@dataclass(frozen=True, slots=True)
class Notice:
    """A subject and what stands under it; `link` leads to the whole report."""

    title: str
    about: str
    sentence: str
    figures: Sequence[tuple[str, str]]
    window: str
    link: str | None

    @property
    def html(self) -> str:
        """The notice as HTML without a frame around it: mail programs and chats put it into their own."""
        return environment().get_template("notice.html.j2").render(notice=self)


def notice_of(report: Report, *, link: str | None = None) -> Notice:
    """What the first screen of the report says."""
    counts = report.coverage
    ok, failed = counts.passed + counts.degraded, counts.failed + counts.timed_out
    figures = [("Sessions passed", wording.fraction(ok, counts.rated)), ("Failed sessions", f"{failed:,}")]
    if report.is_adjusted:
        adjusted = report.checks[["ok_adjusted", "n_adjusted"]].sum()
        without = wording.fraction(int(adjusted["ok_adjusted"]), int(adjusted["n_adjusted"]))
        figures.append(("Passed without what is excluded", without))
    figures.append(("Missing results", f"{counts.missing_results:,}"))
    if counts.due:
        figures.append(("Due times triggered", f"{counts.fires['triggered']:,} of {counts.due:,}"))
    return Notice(
        title=f"Checkly report: {title(report.window)}",
        about=report.about,
        sentence=" ".join(headline(report)),
        figures=figures,
        window=window_lines(report.window)[0],
        link=link,
    )
