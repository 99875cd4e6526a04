"""Which ways to Checkly are taken, and which are refused before anything is sent."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from recorder.access import ChecklyAccess
from recorder.errors import ConfigError
from recorder.ledger import INTENT_LEASE
from recorder.sending import STALL_LIMIT_S
from tests.sockets import AUTHORITY, CERTIFICATES

ACCOUNT_ID = UUID("1397c172-1938-4973-a225-5862298e571a")
KEY = "cu_0123456789abcdef"


def access(**changes: Any) -> ChecklyAccess:
    return ChecklyAccess(**{"api_key": KEY, "account_id": ACCOUNT_ID, **changes})


def refused_places(**changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        access(**changes)
    return [problem.place for problem in refusal.value.problems]


@pytest.mark.parametrize(
    "key", ["", " ", "two words", f"{KEY}\n", f"{KEY}\r\nX-Evil: 1", "schlüssel", "tab\there", "nul\x00", "del\x7f"]
)
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    """The HTTP library would quote it in its exception."""
    with pytest.raises(ConfigError) as refusal:
        access(api_key=key)

    assert [problem.place for problem in refusal.value.problems] == ["CHECKLY_API_KEY"]
    assert not key.strip() or key not in str(refusal.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.checklyhq.com",
        "https://api.checklyhq.com/",
        "HTTPS://API.CHECKLYHQ.COM",
        "https://gateway.example:8443/checkly",
        "http://127.0.0.1:8080",
        "http://127.8.9.10",
        "http://localhost:8080",
        "http://[::1]:8080",
    ],
)
def test_https_anywhere_and_plain_http_to_this_machine_are_accepted(base_url: str) -> None:
    """The simulator speaks plain http on loopback."""
    assert access(base_url=base_url).base_url == base_url


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.checklyhq.com",
        "ftp://api.checklyhq.com",
        "https://",
        "http://api.checklyhq.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1%2eexample.com",
        "http://127.0.0.1@example.com",
        "http://0.0.0.0:8080",
        "http://169.254.1.1",
        "https://user:secret@api.checklyhq.com",
        "https://api.checklyhq.com?x=1",
        "https://api.checklyhq.com?",
        "https://api.checklyhq.com#x",
        "https://api.checklyhq.com:99999",
        "https://api.checklyhq.com:port",
        "https://api.checklyhq.com /",
        "https://api.checklyhq.com\r\nX-Evil: 1",
        "https://api.chécklyhq.com",
        "https://api.checklyhq.com\\@example.com",
        "https://api.checklyhq.com\\.example.com",
        "https://api%2echecklyhq.com",
        "https://[::1",
    ],
)
def test_any_other_address_is_refused(base_url: str) -> None:
    """The key goes wherever this points."""
    assert set(refused_places(base_url=base_url)) == {"base_url"}


def test_a_password_in_an_address_is_not_repeated_in_the_refusal() -> None:
    """Refusals are printed and pasted into tickets."""
    with pytest.raises(ConfigError) as refusal:
        access(base_url="https://user:hunter22@api.checklyhq.com", proxy="socks5://user:hunter22@proxy.example:1")

    assert "hunter22" not in str(refusal.value)


@pytest.mark.parametrize(
    "proxy",
    [
        "",
        "proxy.example:3128",
        "https://proxy.example",
        "socks5://proxy.example:1080",
        "http://proxy.example/path",
        "http://",
    ],
)
def test_a_proxy_of_another_form_is_refused(proxy: str) -> None:
    """Only http:// proxies are spoken; what goes through them is encrypted all the same."""
    assert refused_places(proxy=proxy) == ["proxy"]


@pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "http://user:p%40ss@10.0.0.1:3128/"])
def test_a_plain_proxy_with_or_without_a_password_is_accepted(proxy: str) -> None:
    """The usual form of HTTPS_PROXY."""
    assert access(proxy=proxy).proxy == proxy


def test_an_authority_file_that_is_missing_empty_or_no_certificate_is_refused(tmp_path: Path) -> None:
    """Found when the configuration is read, not at three in the morning."""
    empty = tmp_path / "empty.pem"
    empty.touch()
    noise = tmp_path / "noise.pem"
    noise.write_bytes(bytes(range(256)))

    places = [refused_places(ca_file=path) for path in (tmp_path / "missing.pem", tmp_path, empty, noise)]

    assert places == [["ca_file"]] * 4


def test_an_authority_file_is_trusted_alone() -> None:
    """A company's authority replaces the public ones, as curl's --cacert does."""
    context = access(ca_file=AUTHORITY).tls_context()

    assert context is not None
    assert context.check_hostname
    assert [entry["subject"] for entry in context.get_ca_certs()] == [((("commonName", "Recorder test authority"),),)]


@pytest.mark.parametrize("timeout_s", [0, -1, 601, float("nan"), float("inf")])
def test_a_budget_must_be_a_sensible_number_of_seconds(timeout_s: float) -> None:
    """Nought would never answer, infinity would never end."""
    assert refused_places(timeout_s=timeout_s) == ["timeout_s"]


@pytest.mark.parametrize(("timeout_s", "trigger_s"), [(2.0, 2.0), (30.0, 30.0), (600.0, 30.0)])
def test_a_trigger_never_outlives_the_lease_of_its_intent(timeout_s: float, trigger_s: float) -> None:
    """A healthy long request would be taken for one of a dead process; a short lease is half of the long one."""
    assert access(timeout_s=timeout_s).trigger_timeout_s == trigger_s
    assert trigger_s + STALL_LIMIT_S < INTENT_LEASE.total_seconds() / 2


def test_every_problem_is_named_at_once() -> None:
    """All of them, in one refusal."""
    places = refused_places(
        api_key="", base_url="x", proxy="x", ca_file=CERTIFICATES / "none.pem", api_version="v3", timeout_s=0
    )

    assert places == ["CHECKLY_API_KEY", "base_url", "proxy", "ca_file", "api_version", "timeout_s"]


def test_the_repr_shows_neither_the_key_nor_the_proxys_password() -> None:
    """It ends up in logs and tracebacks."""
    shown = repr(access(proxy="http://user:hunter22@proxy.example:3128"))

    assert KEY not in shown
    assert "hunter22" not in shown
