"""CPU of one request with 64 long polls open: the recorder's client and parser against a bare http.client.

    python -m bench.request_cpu                 # 64 threads, 40 requests each, five turns

Both ask the same server (another process, plain HTTP on loopback, which holds each answer for 200 ms) for a session's
completion, one connection for each thread. `bare` reads the body and runs json.loads over it, and no more: it has no
deadline, no cap, no check of what came and no key to send. The recorder does all that and parses the session.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Final
from uuid import UUID, uuid4

import httpx

from bench.measuring import Paired, Stopwatch, take_turns
from recorder.access import ChecklyAccess
from recorder.checkly import ChecklyClient
from tests.factories import session, some_id

WIDTH: Final = 64
HELD_S: Final = 0.2
BODY: Final = json.dumps(session()).encode()
ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


def main() -> int:
    """Print CPU per request of both sides and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=40)
    each = parser.parse_args().requests
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        port = ours.recv()
        sides = [partial(in_threads, partial(ask, port, each)) for ask in (ask_as_recorder, ask_bare, ask_with_httpx)]
        paired, library = take_turns(sides[0], sides[1]), take_turns(sides[2], sides[1])
    finally:
        server.terminate()
        server.join()
    show("recorder", paired, WIDTH * each)
    show("httpx alone", library, WIDTH * each)
    return 0


def show(name: str, paired: Paired, requests: int) -> None:
    """CPU per request in ms, and how many times that of the reference."""
    ours, bare = (paired.median(side, "cpu_s") / requests * 1e3 for side in ("ours", "theirs"))
    print(f"{name:11} {ours:.2f} ms of CPU a request against {bare:.2f} bare, {1 / paired.ratio('cpu_s'):.2f} times")


def in_threads(work: Callable[[], None], watch: Stopwatch) -> None:
    """The same work in 64 threads at once."""
    threads = [Thread(target=work) for _ in range(WIDTH)]
    with watch.running():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def ask_as_recorder(port: int, requests: int) -> None:
    """One fetcher's requests."""
    access = ChecklyAccess(api_key="bench-key-0123456789", account_id=uuid4(), base_url=f"http://127.0.0.1:{port}")
    with ChecklyClient(access) as client:
        for _ in range(requests):
            client.fetch_completion(UUID(some_id("one")), max_wait_s=30)


def ask_bare(port: int, requests: int) -> None:
    """The least that a thread can do."""
    connection = HTTPConnection("127.0.0.1", port)
    for _ in range(requests):
        connection.request("GET", f"/v2/check-sessions/{some_id('one')}/completion?maxWaitSeconds=30")
        json.loads(connection.getresponse().read())
    connection.close()


def ask_with_httpx(port: int, requests: int) -> None:
    """What the library takes that the client is made with, without a deadline, a check or a parser."""
    with httpx.Client(trust_env=False) as client:
        for _ in range(requests):
            client.get(
                f"http://127.0.0.1:{port}/v2/check-sessions/{some_id('one')}/completion?maxWaitSeconds=30"
            ).json()


def serve(told: Connection) -> None:
    """Answer every request on every connection after a while, until terminated."""
    asyncio.run(_serve(told))


async def _serve(told: Connection) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(HELD_S)
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


if __name__ == "__main__":
    sys.exit(main())
