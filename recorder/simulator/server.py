"""Running the simulator: in a thread beside a test or the demo, or in the foreground for the command line."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import uvicorn

from recorder.clock import monotonic, utc_now
from recorder.simulator.account import Clock
from recorder.simulator.app import build_app
from recorder.simulator.checkly import Settings, SimulatedCheckly
from recorder.simulator.exchange import TransportProtocol
from recorder.simulator.faults import Fault
from recorder.simulator.scenarios import Scenario
from recorder.simulator.witness import Testimony
from recorder.simulator.world import DEFAULT_ACCOUNT_ID, World

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 2048
SECONDS_TO_STOP: Final = 10


class PortInUseError(RuntimeError):
    """The simulator cannot listen there: the text names the address and the reason."""


class SimulatorServer:
    """A simulator on a loopback port, as a context manager; requests are answered once `with` has been entered."""

    def __init__(
        self,
        *,
        seed: int = 1,
        speed: float = 60.0,
        host: str = LOOPBACK,
        port: int = 0,
        settings: Settings | None = None,
        account_id: str = DEFAULT_ACCOUNT_ID,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = monotonic,
    ) -> None:
        """`settings` overrides `seed`; `port` 0 picks a free one. ValueError when the host is not a loopback one."""
        if not _is_loopback(host):
            raise ValueError(f"the simulator listens on loopback addresses only, not on {host}")
        if not speed > 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.account_id = account_id
        self.checkly = SimulatedCheckly(settings or Settings(seed=seed), Clock(now, monotonic, speed))
        self.stopped = threading.Event()
        self._host, self._port = host, port
        self._ready = threading.Event()
        self._server = _AnnouncingServer(_uvicorn_config(self.checkly), self._ready)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start listening; raises PortInUseError, and RuntimeError when the server cannot start."""
        listener = _listen(self._host, self._port)
        self._port = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, args=(listener,), name="simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self.stopped.is_set():
            raise RuntimeError("the simulator stopped before it could listen")
        return self

    def _run(self, listener: socket.socket) -> None:
        try:
            self._server.run(sockets=[listener])
        finally:
            self.stopped.set()
            self._ready.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, cut open requests and end the thread."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(SECONDS_TO_STOP)

    @property
    def base_url(self) -> str:
        """Where the API is, without a trailing slash."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def world(self) -> World:
        """The inventory of the default account."""
        return self.checkly.account(self.account_id).world

    def witness(self) -> Testimony:
        """Copy what the simulator has seen so far."""
        return self.checkly.witness.testify()

    def inject(self, *faults: Fault) -> None:
        """Queue faults for the next requests that fit."""
        for fault in faults:
            self.checkly.faults.add(fault)

    def clear_faults(self) -> None:
        """Forget the faults that were not played yet."""
        self.checkly.faults.clear()

    def add_scenario(self, *scenarios: Scenario) -> None:
        """Let behaviours loose on the sessions that start from now on."""
        self.checkly.account(self.account_id)
        for scenario in scenarios:
            self.checkly.add_scenario(scenario)


def serve_forever(
    host: str = LOOPBACK,
    port: int = 8080,
    *,
    seed: int = 1,
    speed: float = 60.0,
    accounts: Sequence[str] = (),
    on_ready: Callable[[SimulatorServer], None] = lambda _server: None,
) -> None:
    """Serve until SIGINT or SIGTERM, then return; call it in the main thread.

    `accounts` restricts who is served, none means everybody. Raises PortInUseError, and ValueError for a host that
    is not loopback.
    """
    known = frozenset(account.lower() for account in accounts) or None
    settings = Settings(seed=seed, accounts=known)
    account_id = accounts[0].lower() if accounts else DEFAULT_ACCOUNT_ID
    with SimulatorServer(speed=speed, host=host, port=port, settings=settings, account_id=account_id) as server:
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, lambda *_: server.stopped.set()) for number in wanted]
        try:
            on_ready(server)
            server.stopped.wait()
        finally:
            for number, handler in zip(wanted, before, strict=True):
                signal.signal(number, handler)


class _AnnouncingServer(uvicorn.Server):
    """uvicorn that says when it is listening."""

    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._is_ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._is_ready.set()


def _uvicorn_config(checkly: SimulatedCheckly) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(checkly),
        http=TransportProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
        backlog=BACKLOG,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY by the protocol
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortInUseError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
