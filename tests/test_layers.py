"""Imports go one way: this file holds the order, and docs/architecture.md shows the same one."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LAYERS = {
    "verbs": (
        "cli cli_demo cli_sessions cli_history cli_backfill cli_ledger cli_report cli_exclude cli_delivery cli_common"
    ),
    "processes": "demo daemon foreground reconciling backfilling result_pages planning",
    "wiring": "wiring",
    "use cases": "triggering sending safekeeping tracking importing writing excluding delivering surveying inspecting",
    "decisions": "trigger_outcomes enrolling claiming materialising gaps remarks following evidence stand_ins",
    "network": "checkly deadlines answers retry_after access targets check_results notifying",
    "database": (
        "setback open_sessions learning ambiguous quarantine store result_store payload_store stand_in_store "
        "schedule_store ledger exclusions deliveries roster dimensions bulk"
    ),
    "files": "spool lock",
    "pace": "circuit budget pacing clocks",
    "waist": "session_files payloads json_fields models columns views",
    "engine": "db outage",
    "configuration": (
        "starter config config_warnings config_problems config_sources toml_places settings config_fields durations"
    ),
    "time": "schedule",
    "ground": "screen signals logs outcomes wording tags clock errors",
}
"""Top to bottom, and left to right inside a layer: a module imports only modules that come after it here.

A new module is written into the layer where it belongs; the table in docs/architecture.md says the same.
"""

ORDER = [module for modules in LAYERS.values() for module in modules.split()]
CLOCKS = (
    *("datetime.now", "datetime.utcnow", "date.today", "time.time", "time.time_ns", "time.monotonic"),
    *("time.monotonic_ns", "time.perf_counter", "time.sleep"),
)


@dataclass(frozen=True)
class Import:
    """One imported module; `when` is load, later (inside a function) or typing."""

    module: str
    when: str


def imports_of(path: Path) -> set[Import]:
    """Every module that a file imports; names imported from a package count as its modules when they are some."""
    return set(_imports(ast.parse(path.read_text(encoding="utf-8")), "load"))


def _imports(node: ast.AST, when: str) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, when) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        modules = (f"{node.module}.{alias.name}" for alias in node.names)
        yield from (Import(name if is_module(name) else str(node.module), when) for name in modules)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child, _moment(child, when))


def _moment(node: ast.AST, when: str) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return "later"
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return "typing"
    return when


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def files(folder: str, pattern: str = "*.py") -> list[Path]:
    return sorted((ROOT / folder).glob(pattern))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path, package: str) -> set[str]:
    """The modules of `package` that a file imports, named without it."""
    names = {one.module for one in imports_of(path)}
    return {name.removeprefix(f"{package}.") for name in names if name.split(".")[0] == package and name != package}


def reached(start: str) -> set[str]:
    """Every module of the recorder that one module pulls in, itself included."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found and (ROOT / "recorder" / f"{name}.py").is_file():
            found.add(name)
            waiting += imported(ROOT / "recorder" / f"{name}.py", "recorder")
    return found


def test_every_module_has_its_place() -> None:
    assert sorted(ORDER) == sorted(path.stem for path in files("recorder") if path.stem != "__init__")


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_what_lies_below_it(module: str) -> None:
    """Two modules never need each other, so each can be read, and replaced, on its own."""
    above = set(ORDER[: ORDER.index(module) + 1])

    assert not imported(ROOT / "recorder" / f"{module}.py", "recorder") & above


def test_the_documentation_shows_the_same_layers() -> None:
    """The first two columns of the table in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+?) \|", text, re.MULTILINE)

    assert [(name, " ".join(re.findall(r"`(\w+)`", cell))) for name, cell in rows] == list(LAYERS.items())


def test_the_network_and_the_database_never_meet_below_the_use_cases() -> None:
    """What is fetched does not know where it is stored, and the other way round."""
    network, database = LAYERS["network"].split(), {*LAYERS["database"].split(), "db", "models"}

    assert not reached("checkly") & database
    for module in LAYERS["database"].split():
        assert not reached(module) & set(network), module


@pytest.mark.parametrize(
    ("packages", "modules"),
    [
        ({"httpx"}, {"recorder.checkly"}),
        ({"httpcore"}, {"recorder.deadlines"}),
        ({"aiohttp", "requests", "urllib.request", "urllib3"}, set()),
    ],
)
def test_http_is_spoken_through_one_module(packages: set[str], modules: set[str]) -> None:
    """Whoever wants to know what is sent to Checkly, and when it may be sent again, reads one file."""
    speakers = {
        module_name(path)
        for folder in ("recorder", "reports", "migrations")
        for path in files(folder, "**/*.py")
        for one in imports_of(path)
        if any(one.module == package or one.module.startswith(f"{package}.") for package in packages)
    }

    assert speakers == modules


def test_clocks_are_read_in_one_module() -> None:
    """Everything else is given the time, so that a test can say what it is."""
    readers = {
        module_name(path)
        for folder in ("recorder", "reports", "migrations")
        for path in files(folder, "**/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(CLOCKS)
    }

    assert readers == {"recorder.clock"}
    for folder in ("recorder", "reports"):
        for path in files(folder, "**/*.py"):
            text = path.read_text(encoding="utf-8")
            assert "from time import" not in text, f"{path.name}: time is read through recorder.clock"


def test_reports_are_imported_by_their_verbs_alone_and_when_they_run() -> None:
    """The rest of the command line need not wait for pandas."""
    users = {
        (module_name(path), one.when)
        for path in files("recorder", "**/*.py")
        for one in imports_of(path)
        if one.module.split(".")[0] == "reports"
    }

    assert users == {
        ("recorder.cli_report", "later"),
        ("recorder.cli_report", "typing"),
        ("recorder.cli_common", "later"),  # the thresholds, which need no pandas
        ("recorder.cli_common", "typing"),
        ("recorder.cli_delivery", "later"),
        ("recorder.cli_backfill", "later"),  # how a span of time is written, which needs no pandas
        ("recorder.cli_exclude", "later"),
    }


@pytest.mark.parametrize("path", files("reports"), ids=lambda path: path.stem)
def test_reports_read_the_history_and_nothing_else_of_the_recorder(path: Path) -> None:
    assert imported(path, "recorder") <= {"models", "db", "outcomes", "tags", "errors", "clock"}


def test_the_sql_of_the_reports_stands_in_the_history() -> None:
    """Elsewhere SQLAlchemy lends no more than the type of the engine that is handed on."""
    speakers = set()
    for path in files("reports"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy":
                names = {alias.name for alias in node.names}
                speakers |= {path.stem} if names != {"Engine"} else set()

    parts = ("beginnings", "exclusions", "levels", "rows", "tags")
    assert speakers == {"history", *(f"history_{part}" for part in parts)}


def test_the_simulator_could_be_taken_out_as_it_is() -> None:
    """It shares no code with what it tests, but for the clock; only the demo and its verbs use it."""
    for path in files("recorder/simulator", "**/*.py"):
        own = {name for name in imported(path, "recorder") if not name.startswith("simulator")}
        assert own <= {"clock"}, path.name
    users = {
        path.stem
        for path in files("recorder")
        if any(name.startswith("simulator") for name in imported(path, "recorder"))
    }

    assert users == {"cli_demo", "demo"}


def test_a_migration_means_the_same_for_ever() -> None:
    """It imports nothing that may change under it; only the environment around it knows today's tables and views."""
    for path in files("migrations/versions"):
        assert not imported(path, "recorder") | imported(path, "reports"), path.name
    assert imported(ROOT / "migrations" / "env.py", "recorder") == {"db", "models", "views"}
