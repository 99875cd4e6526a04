"""Running the simulator: where it listens, how it ends and that it says nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import httpx
import pytest

from recorder.simulator.server import PortInUseError, SimulatorServer
from tests.simulator_caller import calling

FOREGROUND = """
from recorder.simulator.server import serve_forever
serve_forever(port=0, seed=3, on_ready=lambda server: print(server.base_url, flush=True))
print("ended", flush=True)
"""


def test_a_free_port_is_found_and_given_back() -> None:
    """Two simulators at once, none afterwards, no thread left."""
    with SimulatorServer() as one, SimulatorServer() as other:
        assert one.base_url != other.base_url
        assert httpx.get(f"{one.base_url}/_sim/witness", trust_env=False).status_code == 200

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{one.base_url}/_sim/witness", trust_env=False)
    assert not [thread for thread in threading.enumerate() if thread.name == "simulator"]


def test_a_port_in_use_is_said_in_a_sentence() -> None:
    """With the address, so that it can be changed."""
    with SimulatorServer() as one:
        port = int(one.base_url.rsplit(":", 1)[1])
        with pytest.raises(PortInUseError, match=rf"cannot listen on 127\.0\.0\.1:{port}: "):
            SimulatorServer(port=port).__enter__()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])  # noqa: S104  refused
def test_only_loopback_addresses_are_listened_on(host: str) -> None:
    """It accepts any key: it is no server for a network."""
    with pytest.raises(ValueError, match="loopback"):
        SimulatorServer(host=host)


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_time_must_go_forward(speed: float) -> None:
    """Or no session would ever end."""
    with pytest.raises(ValueError, match="speed"):
        SimulatorServer(speed=speed)


def test_stopping_does_not_wait_for_a_long_poll(recwarn: pytest.WarningsRecorder) -> None:
    """The one who waits sees the connection end."""
    outcome: list[Exception | httpx.Response] = []

    def wait(sim: SimulatorServer, session_id: str) -> None:
        with calling(sim) as caller:
            try:
                outcome.append(caller.complete(session_id, 30))
            except httpx.TransportError as error:
                outcome.append(error)

    with SimulatorServer(speed=1) as sim, calling(sim) as caller:
        session_id = caller.sessions(["e2e"])[0]["checkSessionId"]
        waiter = threading.Thread(target=wait, args=(sim, session_id))
        waiter.start()
        while "completion" not in sim.witness().requests:
            caller.retrieve(session_id)
    waiter.join(timeout=5)

    assert len(outcome) == 1
    assert not recwarn.list


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_simulator_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    """Exit code 0, its last words spoken, nothing on stderr."""
    with subprocess.Popen(
        [sys.executable, "-c", FOREGROUND], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        alive = httpx.get(f"{base_url}/_sim/witness", trust_env=False).status_code
        process.send_signal(number)
        rest, errors = process.communicate(timeout=10)

    assert alive == 200
    assert (process.returncode, rest, errors) == (0, "ended\n", "")
