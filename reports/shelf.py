"""Reports that a daemon delivers, side by side in one directory: each whole or not there, the newest under `latest`.

A folder belongs to the shelf when it holds a marker, written last, that names the folder and the files in it. Nothing
else in the directory is ever changed or removed, and neither is what somebody else put into such a folder.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from recorder.errors import UsageError
from reports import wording
from reports.headline import headline, moment, title
from reports.notice import Notice, notice_of
from reports.report import Report
from reports.templating import environment
from reports.weekly import write_report

MARKER: Final = "delivery.json"
LATEST: Final = "latest"
INDEX: Final = "index.html"
GENERATOR: Final = "checkly-session-recorder, past reports"
_HALF_WRITTEN: Final = re.compile(r"\.\d{4}-(W\d\d|\d\d)\.\d+\.part")
_HEAD: Final = 2000


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a marker says of its report: enough for the list of past reports, and to tell people of it again.

    `notice`: the fields of a `Notice`, empty in a marker that an earlier version wrote.
    """

    label: str
    start: str
    title: str
    window: str
    rated: int
    passed: str
    sentence: str
    files: Sequence[str]
    notice: Mapping[str, Any] = field(default_factory=dict)


def shelve(report: Report, directory: Path, *, keep: int) -> tuple[Path, bool]:
    """Put the report into a folder of its own, keep the newest `keep`; the folder, and whether it was not there before.

    Raises UsageError when the directory cannot be written, or holds something of somebody else's where a report, the
    link or the list belongs.
    """
    folder = directory / report.window.label
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _refuse_strangers(directory)
        is_new = _read_marker(folder) is None
        if is_new:
            _remove_half_written(directory)
            _write_folder(report, folder)
        kept = _retire(directory, keep)
        _point_latest(directory, kept[0].label)
        _write_index(directory, kept)
    except OSError as error:
        raise UsageError(f"cannot write the report to {folder}: {error.strerror or error}") from error
    return folder, is_new and folder.is_dir()


def past_reports(directory: Path) -> list[Delivered]:
    """The reports on the shelf, the newest first."""
    markers = (_read_marker(folder) for folder in directory.iterdir() if folder.is_dir() and not folder.is_symlink())
    found = [marker for marker in markers if marker is not None]
    return sorted(found, key=lambda marker: (marker.start, marker.label), reverse=True)


def notice_in(folder: Path, *, link: str | None) -> Notice:
    """The notice of the report in a folder of the shelf, with the figures that stand in it: newer ones may differ.

    Raises UsageError when there is none.
    """
    marker = _read_marker(folder)
    if marker is None:
        raise UsageError(f"{folder} holds no delivered report: nobody can be told of it")
    older = {"figures": [("Sessions passed", marker.passed or wording.UNKNOWN)], "about": "", "window": marker.window}
    known = marker.notice or {"title": f"Checkly report: {marker.title}", "sentence": marker.sentence, **older}
    return Notice(**{**known, "link": link})


def _write_folder(report: Report, folder: Path) -> None:
    """Write beside the place, sync, rename: nobody sees half a report, and none is lost to a power cut.

    A folder that is there without a marker holds what somebody asked for by hand: its files are replaced one by one.
    """
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    target = folder if folder.exists() else part
    try:
        files = write_report(report, target)
        marker = _marker_of(report, [path.name for path in files])
        _write_whole(target / MARKER, json.dumps(asdict(marker), indent=2, ensure_ascii=False) + "\n")
        for path in (*files, target):
            _sync(path)
        if target is part:
            part.rename(folder)
            _sync(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _marker_of(report: Report, files: Sequence[str]) -> Delivered:
    counts, window = report.coverage, report.window
    return Delivered(
        label=window.label,
        start=window.start.isoformat(),
        title=title(window),
        window=f"{moment(window.start_local)} to {moment(window.end_local)}",
        rated=counts.rated,
        passed=wording.percent((counts.passed + counts.degraded) / counts.rated) if counts.rated else "",
        sentence=headline(report)[0],
        files=files,
        notice=asdict(notice_of(report)),
    )


def _read_marker(folder: Path) -> Delivered | None:
    """What the folder's marker says; None when there is none, or one that is not about this folder."""
    try:
        content: Any = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        marker = Delivered(**content)
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None
    return marker if marker.label == folder.name else None


def _retire(directory: Path, keep: int) -> list[Delivered]:
    """Remove the files of the oldest reports, and their folders when nothing else is in them; the reports that stay."""
    reports = past_reports(directory)
    for old in reports[keep:]:
        folder = directory / old.label
        for path in [path for path in folder.iterdir() if path.name in old.files and not path.is_dir()]:
            path.unlink()
        (folder / MARKER).unlink()  # the last of them: what is interrupted here goes on the next time
        if not any(folder.iterdir()):
            folder.rmdir()
    return reports[:keep]


def _point_latest(directory: Path, label: str) -> None:
    """Replace the link in one step; relative, so that the directory can be moved or served."""
    part = directory / f".{LATEST}.{os.getpid()}.part"
    part.unlink(missing_ok=True)
    part.symlink_to(label, target_is_directory=True)
    part.replace(directory / LATEST)


def _write_index(directory: Path, reports: Sequence[Delivered]) -> None:
    page = environment().get_template("shelf.html.j2").render(reports=reports, generator=GENERATOR)
    _write_whole(directory / INDEX, page)


def _refuse_strangers(directory: Path) -> None:
    """Raise UsageError before anything is written when the link or the list would replace something else."""
    for name, is_ours in ((LATEST, _is_our_link), (INDEX, _is_our_index)):
        path = directory / name
        if os.path.lexists(path) and not is_ours(path):
            raise UsageError(f"{path} is in the way: the recorder did not make it, move it or deliver elsewhere")


def _is_our_link(path: Path) -> bool:
    return path.is_symlink()


def _is_our_index(path: Path) -> bool:
    return path.is_file() and GENERATOR in path.read_text(encoding="utf-8", errors="replace")[:_HEAD]


def _remove_half_written(directory: Path) -> None:
    """What a process that was killed has left behind; the claim of the delivery says that nobody is at it."""
    for path in _half_written(directory):
        shutil.rmtree(path)


def _half_written(directory: Path) -> Iterator[Path]:
    return (path for path in directory.iterdir() if _HALF_WRITTEN.fullmatch(path.name) and path.is_dir())


def _write_whole(path: Path, content: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(content, encoding="utf-8", newline="\n")
        _sync(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
