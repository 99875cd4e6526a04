"""Compiled templates are kept for the next process, where that is possible."""

from pathlib import Path

from reports.templating import environment_of


def test_compiled_templates_are_kept_for_the_next_process(tmp_path: Path) -> None:
    """What was kept is used; what is broken is made anew."""
    folder = tmp_path / "kept"
    first = environment_of(folder).get_template("style.css").render()
    [kept] = folder.iterdir()
    written = kept.stat().st_mtime_ns

    again = environment_of(folder).get_template("style.css").render()
    assert (again, kept.stat().st_mtime_ns) == (first, written)

    kept.write_bytes(kept.read_bytes()[:40])
    assert environment_of(folder).get_template("style.css").render() == first


def test_where_nothing_can_be_kept_templates_are_compiled_all_the_same(tmp_path: Path) -> None:
    """A read-only installation, or a file in the place of the folder."""
    (tmp_path / "kept").write_text("a file")

    assert environment_of(tmp_path / "kept").get_template("style.css").render()
    assert environment_of(tmp_path / "no" / "folder").get_template("style.css").render()
