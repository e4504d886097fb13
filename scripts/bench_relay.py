"""`scripts/bench relay`: what crossing the bridge costs, against asking the same provider directly.

Provider and bridge are processes of their own, the client is this one; all share the machine. Figures are this
machine's; what matters is the ratio.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

BEGIN = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1"}}\n\n'
EVENT = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"four words of text "}\n\n'
)
CHUNK = b"%x\r\n%s\r\n" % (len(EVENT), EVENT)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BODY = b'{"id":"resp_1","output":[],"usage":{"input_tokens":1,"output_tokens":1}}'
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
KEY = "sk-bench-0000000000000000"


async def provide(events: int) -> None:
    """A provider as fast as Trio allows: whole answers, or a stream of so many events, each sent by itself."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while more := await stream.receive_some(65536):
                received += more
                if not received.endswith(b"}"):
                    continue  # the body is still to come
                streaming, received = b'"stream":true' in received, b""
                if not streaming:
                    await stream.send_all(WHOLE)
                    continue
                await stream.send_all(STREAM_HEAD + b"%x\r\n%s\r\n" % (len(BEGIN), BEGIN))
                for _ in range(events):
                    await stream.send_all(CHUNK)
                await stream.send_all(b"0\r\n\r\n")

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listeners[0].socket.getsockname()[1], flush=True)
    await trio.serve_listeners(serve, listeners)


@contextmanager
def process(*command: str) -> Iterator[int]:
    """A program whose first line of output ends in the port it listens on."""
    running = subprocess.Popen([sys.executable, "-P", *command], stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert running.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        yield int(running.stdout.readline().strip().rpartition(":")[2])
    finally:
        running.terminate()
        running.communicate()


def request(path: str, *, stream: bool) -> bytes:
    """The bytes of one request."""
    body = b'{"model":"m","input":"hello","stream":%s}' % (b"true" if stream else b"false")
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{{port}}\r\ncontent-type: application/json\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n%s" % (len(body), body)


async def ask(stream: trio.SocketStream, message: bytes, end: bytes) -> float:
    """One request on an open connection, to the end of its answer. Returns the seconds to its first byte."""
    began = time.perf_counter()
    await stream.send_all(message)
    received = await stream.receive_some(1 << 20)
    first = time.perf_counter() - began
    tail = received[-128:]
    while not tail.endswith(end):
        received = await stream.receive_some(1 << 20)
        if not received:
            raise SystemExit("the answer broke off")
        tail = (tail + received)[-128:]
    return first


async def load(port: int, path: str, *, clients: int, each: int, stream: bool) -> tuple[float, list[float]]:
    """So many clients, so many requests each, one after the other. Returns all seconds, and those to first bytes."""
    message = request(path, stream=stream).replace(b"{port}", str(port).encode())
    end = b"0\r\n\r\n" if stream else BODY
    firsts: list[float] = []

    async def client() -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as connection:
            firsts.extend([await ask(connection, message, end) for _ in range(each)])

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(client)
    return time.perf_counter() - began, firsts


def relay(events: int = 5000) -> None:
    """Prints requests/s, events/s and times to the first byte, direct and across the bridge."""
    with tempfile.TemporaryDirectory(prefix="clearspan-bench-") as place, process(__file__, str(events)) as upstream:
        config = Path(place) / "config.toml"
        config.write_text(
            f'[providers.openai]\ntype = "openai"\nbase_url = "http://127.0.0.1:{upstream}/v1"\nkeys = ["{KEY}"]\n'
        )
        words = ["--config", str(config), "--port", "0", "--socket", f"{place}/events.sock", "--data-dir", place]
        with process("-m", "bridge", "serve", "--log-level", "error", *words) as bridge:
            _measure("direct", upstream, "/v1/responses", events)
            _measure("bridge", bridge, "/openai/v1/responses", events)


def _measure(name: str, port: int, path: str, events: int) -> None:
    def run(**words: int | bool) -> tuple[float, list[float]]:
        return trio.run(lambda: load(port, path, **words))  # type: ignore[arg-type]

    run(clients=4, each=50, stream=False)  # warm up
    took, firsts = run(clients=1, each=500, stream=False)
    ordered = sorted(firsts)
    print(f"{name}: one client       {500 / took:9.0f} requests/s")
    print(
        f"{name}: first byte       {statistics.median(ordered) * 1000:9.2f} ms median, {ordered[494] * 1000:.2f} ms p99"
    )
    took, _ = run(clients=20, each=50, stream=False)
    print(f"{name}: 20 clients       {1000 / took:9.0f} requests/s")
    for clients in (1, 20):
        took, _ = run(clients=clients, each=1, stream=True)
        print(f"{name}: {clients:2} streams       {clients * events / took:9.0f} events/s", flush=True)


if __name__ == "__main__":
    trio.run(provide, int(sys.argv[1]))
