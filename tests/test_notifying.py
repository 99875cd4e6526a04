"""People are told through a real Apprise, over a real socket; no address is ever shown."""

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recorder.errors import ConfigError, RecorderError
from recorder.notifying import Message, notify, read_addresses
from tests.sockets import ScriptedServer, http_answer, saying

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""One of Apprise's plugins still asks for it, before Python 3.13."""

SECRET = "hunter22"  # noqa: S105 - no real one


@pytest.fixture
def message(tmp_path: Path) -> Message:
    (tmp_path / "index.html").write_text("<p>the whole report</p>", encoding="utf-8")
    return Message("Checkly report: Week 47 of 2026", "<p>2 of 3 checks failed.</p>", tmp_path / "index.html")


@contextmanager
def sink(status: int = 200) -> Iterator[tuple[ScriptedServer, str]]:
    """A server that takes what it is sent, and the Apprise URL that leads to it."""
    with ScriptedServer(saying(http_answer(status))) as server:
        yield server, f"json://ann:{SECRET}@127.0.0.1:{server.port}/hook"


def test_a_message_arrives_with_the_report_attached(message: Message) -> None:
    with sink() as (server, address):
        notify([address], message)

    (request,) = server.requests
    told = json.loads(request.body)
    assert (request.method, request.target) == ("POST", "/hook")
    assert told["title"] == message.title
    assert "2 of 3 checks failed." in told["message"]
    (attached,) = told["attachments"]
    assert (attached["filename"], attached["mimetype"]) == ("index.html", "text/html")
    assert base64.b64decode(attached["base64"]) == b"<p>the whole report</p>"


def test_everybody_is_told_even_when_somebody_cannot_be(message: Message, caplog: pytest.LogCaptureFixture) -> None:
    """The sentence says which address it was by its number; the addresses, which hold passwords, stand nowhere."""
    caplog.set_level(logging.DEBUG)
    with sink() as (server, good), sink(status=500) as (_, refusing), pytest.raises(RecorderError) as failure:
        notify([refusing, f"nonsense://{SECRET}", good], message)

    assert str(failure.value) == "2 of 3 notifications could not be sent: address 1, 2"
    assert len(server.requests) == 1
    assert SECRET not in caplog.text


def test_nobody_there_is_one_sentence(message: Message) -> None:
    """The server has gone."""
    with sink() as (_, address):
        pass

    with pytest.raises(RecorderError, match=r"^1 of 1 notifications could not be sent: address 1$"):
        notify([address], message)


def test_addresses_come_from_a_variable_or_from_a_file(tmp_path: Path) -> None:
    """Parted by blanks in the one, a line each in the other, where # begins a comment."""
    (tmp_path / "urls").write_text(f"# the team\nslack://{SECRET}/a\n\n mailto://ann:{SECRET}@example.com \r\n")

    assert read_addresses("TEAM", {"TEAM": "json://a  json://b"}, tmp_path) == ("json://a", "json://b")
    assert read_addresses("TEAM", {"TEAM_FILE": "urls"}, tmp_path) == (
        f"slack://{SECRET}/a",
        f"mailto://ann:{SECRET}@example.com",
    )


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "TEAM: holds no Apprise URL: set it, or TEAM_FILE to a file with one a line"),
        ({"TEAM": " "}, "TEAM: holds no Apprise URL: set it, or TEAM_FILE to a file with one a line"),
        ({"TEAM": SECRET, "TEAM_FILE": "urls"}, "TEAM_FILE: is set and TEAM too: unset one of them"),
        ({"TEAM_FILE": "urls"}, 'TEAM_FILE: "{folder}/urls" cannot be read: No such file or directory'),
    ],
)
def test_missing_addresses_are_a_mistake_of_the_configuration(
    environ: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_addresses("TEAM", environ, tmp_path)

    assert str(refusal.value) == sentence.format(folder=tmp_path)
    assert refusal.value.exit_code == 3
