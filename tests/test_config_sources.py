"""What is said about a file that is no configuration, and about keys in wrong places."""

from pathlib import Path

import pytest

from recorder.config import load_settings
from recorder.errors import ConfigError
from tests.configuring import SECRET, load, problems


def test_a_folder_a_broken_link_and_an_endless_device_are_one_line_each(tmp_path: Path) -> None:
    """None of them ends in a traceback, or never."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "recorder.toml").symlink_to(tmp_path / "gone")

    assert problems(tmp_path) == ["recorder.toml: cannot be read: No such file or directory"]
    with pytest.raises(ConfigError, match=r"^folder: cannot be read: Is a directory$"):
        load_settings(Path("folder"), environ={}, cwd=tmp_path)
    with pytest.raises(ConfigError, match=r"^/dev/zero: cannot be read: it holds more than 1 MiB$"):
        load_settings(Path("/dev/zero"), environ={}, cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"[checkly]\napi_version = \n", "recorder.toml:2:15: is not TOML: Invalid value"),
        (b"[checkly]\n[checkly]\n", "recorder.toml:2:9: is not TOML: Cannot declare ('checkly',) twice"),
        (b"name = 'x", 'recorder.toml: is not TOML: Expected "\'" at the end of the file'),
        (b"\xff\xfe", "recorder.toml: is not a text in UTF-8"),
        (b"x = " + b"[" * 20_000 + b"]" * 20_000, "recorder.toml: nests lists or tables too deeply"),
        (b"x = " + b"9" * 5_000, "recorder.toml: holds a number with too many digits"),
    ],
)
def test_what_is_no_toml_is_one_line_with_its_place(tmp_path: Path, text: bytes, line: str) -> None:
    """Line and column, where there are any."""
    assert problems(tmp_path, text) == [line]


@pytest.mark.parametrize("key", ["two words", f"{SECRET}\n", f"{SECRET}\x7f", "schlüssel", "\t"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(tmp_path: Path, key: str) -> None:
    """A client that fails to send it would quote it."""
    (problem,) = problems(tmp_path, environ={"CHECKLY_API_KEY": key})

    assert problem.startswith("CHECKLY_API_KEY: holds a blank")
    assert key.strip() not in problem or not key.strip()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "must not be empty"),
        (b"\n", "must not be empty"),
        (SECRET.encode() + b"\n\n", "holds a blank"),
        (b"schl\xc3\xbcssel", "holds a blank"),
        (b"\xff\xfe\x00", "holds a blank"),
    ],
)
def test_a_key_file_with_something_else_in_it_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    """The place is the variable that names the file."""
    file = tmp_path / "key"
    file.write_bytes(content)

    (problem,) = problems(tmp_path, environ={"CHECKLY_API_KEY_FILE": str(file)})

    assert problem.startswith("CHECKLY_API_KEY_FILE: ")
    assert sentence in problem


def test_a_key_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """Missing, or a folder: silence would look like "no key"."""
    missing, folder = {"CHECKLY_API_KEY_FILE": str(tmp_path / "none")}, {"CHECKLY_API_KEY_FILE": "/"}

    assert problems(tmp_path, environ=missing)[0].endswith('none" cannot be read: No such file or directory')
    assert problems(tmp_path, environ=folder) == ['CHECKLY_API_KEY_FILE: "/" cannot be read: Is a directory']


def test_a_key_and_a_key_file_together_are_refused(tmp_path: Path) -> None:
    """Whichever won, somebody would have meant the other."""
    environ = {"CHECKLY_API_KEY": SECRET, "CHECKLY_API_KEY_FILE": "/dev/null"}

    assert problems(tmp_path, environ=environ) == [
        "CHECKLY_API_KEY_FILE: is set and CHECKLY_API_KEY too: unset one of them"
    ]


@pytest.mark.parametrize(
    "text",
    [
        f'[checkly]\napi_key = "{SECRET}"',
        f'[checkly]\nApiKey = "{SECRET}"',
        f'[checkly]\ntoken = "{SECRET}"',
        f'api-key = "{SECRET}"',
        f'[[schedules]]\nsecret = "{SECRET}"',
        f'[checkly.nested]\nkey = "{SECRET}"',
        f'checkly = "{SECRET}"',
        f'[checkly]\naccount_id = "{SECRET}"',
        f'[checkly]\nbase_url = "{SECRET}"',
        f'[checkly]\napi_version = "{SECRET}"',
        f"[checkly]\napi_key = {SECRET}",
    ],
)
def test_a_key_in_the_file_is_refused_and_never_shown(tmp_path: Path, text: str) -> None:
    """Under whatever name it was written, and also where it is no valid value."""
    with pytest.raises(ConfigError) as refusal:
        load(tmp_path, text)

    assert SECRET not in f"{refusal.value!r} {refusal.value.__cause__!r} {refusal.value.__context__!r}"


def test_a_key_in_the_file_is_told_where_it_belongs(tmp_path: Path) -> None:
    """Under a variable of the recorder's own it is no better."""
    found = problems(tmp_path, '[checkly]\ntoken = "x"', {"RECORDER_CHECKLY_API_KEY": "x"})

    assert found == [
        "recorder.toml:2 checkly.token: a key has no place in this file: set CHECKLY_API_KEY or CHECKLY_API_KEY_FILE",
        "RECORDER_CHECKLY_API_KEY: is not read: the API key belongs in CHECKLY_API_KEY",
    ]


def test_neither_the_key_nor_a_password_is_in_the_repr_of_the_settings(tmp_path: Path) -> None:
    """Tracebacks with local variables show it."""
    text = '[checkly]\nproxy = "http://u:hunter22@proxy:1"\n[database]\nurl = "postgresql://u:hunter22@h/d"'
    settings = load(tmp_path, text, {"CHECKLY_API_KEY": SECRET})

    assert SECRET not in repr(settings)
    assert "hunter22" not in repr(settings)
