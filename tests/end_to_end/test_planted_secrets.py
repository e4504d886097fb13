"""Secrets planted wherever a text can stand, whole and in pieces: no snapshot, event, record or refusal shows one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
import trio
import trio.lowlevel

from bridge.events.wire import encode
from bridge.keys.secret import Secret
from tests.support.record_desk import whole_record
from tests.support.until import until
from tests.support.world import STREAM, Asked, Reply, World, ask, provider, sse, world

POOL = "sk-canary-pool-0123456789"
TOKEN = "token-canary-0123456789"
OWN = "sk-canary-own-0123456789"
GATEWAY = "gateway canary 0123456789"
BEARER = "bearer-canary-0123456789"
PLANTED = (POOL, TOKEN, OWN, GATEWAY, BEARER)
ALL = " ".join(PLANTED)

CHARACTERS: Callable[[str], Sequence[str]] = list


def halves(text: str) -> Sequence[str]:
    """Cut where every secret is cut, too."""
    return [text[start : start + 11] for start in range(0, len(text), 11)]


def whole(text: str) -> Sequence[str]:
    """Not cut at all."""
    return [text]


def answer_of(cut: Callable[[str], Sequence[str]], text: str) -> bytes:
    """A stream whose thought, text, call and error are that text, in pieces."""
    place = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    said = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    call = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": f"call {text}",
        "name": f"tool {text}",
        "arguments": orjson.dumps({text: [text, {"inner": text}]}).decode(),
    }
    events = [sse("response.created", response={"id": "resp_1", "status": "in_progress"})]
    events += [sse("response.reasoning_summary_text.delta", **place, delta=piece) for piece in cut(text)]
    events += [sse("response.output_text.delta", **said, delta=piece) for piece in cut(text)]
    events += [
        sse("response.output_item.done", output_index=2, item=call),
        sse("error", code="server_error", message=text, param=None, sequence_number=9),
    ]
    return b"".join(events)


async def listen(here: World, lines: list[bytes], task_status: trio.TaskStatus[None]) -> None:
    """What a subscriber reads, as raw lines."""
    async with await trio.open_unix_socket(str(here.socket)) as stream:
        rest = b""
        task_status.started()
        async for chunk in stream:
            *whole_lines, rest = (rest + chunk).split(b"\n")
            lines += whole_lines


def found(raw: bytes | str) -> list[str]:
    """The secrets that stand whole in it."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return [secret for secret in PLANTED if secret in text]


async def heard(lines: list[bytes], kind: str, count: int) -> bytes:
    """All that a subscriber has read, once so many events of that type are among it."""
    await until(lambda: sum(orjson.loads(line)["type"] == kind for line in lines) == count)
    return b"\n".join(lines)


@pytest.mark.parametrize("cut", [whole, halves, CHARACTERS], ids=["whole", "in parts", "by character"])
@pytest.mark.parametrize("mine", [False, True], ids=["pool", "caller's own key"])
async def test_a_planted_secret_stands_whole_nowhere(cut: Callable[[str], Sequence[str]], mine: bool) -> None:
    async def handle(_asked: Asked, reply: Reply) -> None:
        await reply.head(200, [*STREAM, ("x-request-id", ALL)])
        for piece in answer_of(cut, ALL).split(b"\n\n"):
            await reply.chunk(piece + b"\n\n")
            await trio.lowlevel.checkpoint()
        await reply.end()

    added = {"X-Gateway": GATEWAY, "X-Upstream-Auth": f"Bearer {BEARER}"}
    lines: list[bytes] = []
    async with (
        provider(handle) as url,
        world(url, [POOL], extra_headers=added, server={"client_tokens": {"ann": Secret(TOKEN)}}) as here,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(listen, here, lines)
        headers = [
            ("authorization", f"Bearer {OWN if mine else TOKEN}"),
            ("user-agent", f"agent {ALL}"),
            ("session-id", f"session {ALL}"),
        ]
        body: dict[str, Any] = {"model": f"model {ALL}", "input": f"prompt {ALL}", "stream": True}
        answer = await ask(here.port, body, headers=headers)
        assert answer.status == 200
        assert all(secret in answer.body.decode() for secret in PLANTED if cut is whole)  # the client's are untouched
        await here.event("interception.ended")
        hidden = f"/openai/v1/models/{ALL.replace(' ', '%20')}"
        await ask(here.port, b"", path=hidden, method="GET", headers=headers)
        await here.event("interception.ended", 2)
        seen: dict[str, bytes | str] = {
            "snapshot": encode(here.bridge.hub.snapshot()),
            "events": await heard(lines, "interception.ended", 2),
            "record": await whole_record(here.record, 2),
        }
        nursery.cancel_scope.cancel()
    shown = PLANTED if mine else [secret for secret in PLANTED if secret != OWN]  # nobody brought that one: not known
    for sink, text in seen.items():
        assert not set(found(text)) & set(shown), sink
    deltas = [orjson.loads(line) for line in lines if b'.delta"' in line]
    for kind in ("thought.delta", "answer.delta"):
        joined = "".join(event["text"] for event in deltas if event["type"] == kind)
        assert not set(found(joined)) & set(shown)
        assert "sk-c...6789 toke...6789" in joined
        assert joined.endswith("bear...6789")


async def test_a_delta_is_held_back_only_while_it_may_begin_a_secret() -> None:
    lines: list[bytes] = []
    at_rest = trio.Event()

    async def handle(_asked: Asked, reply: Reply) -> None:
        said = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        await reply.head(200, STREAM)
        for text in ("A CAT", " eats sk-can", "ned fish, and sk-canary-po"):
            await reply.chunk(sse("response.output_text.delta", **said, delta=text))
            await at_rest.wait()
        await reply.end()

    async with provider(handle) as url, world(url, [POOL]) as here, trio.open_nursery() as nursery:
        await nursery.start(listen, here, lines)
        nursery.start_soon(ask, here.port)
        await here.event("answer.delta")
        at_rest.set()
        await here.event("interception.ended")
        texts = [event.text for event in here.events("answer.delta")]
        nursery.cancel_scope.cancel()
    assert texts[0] == "A CAT"
    assert "".join(texts) == "A CAT eats sk-canned fish, and sk-canary-po"


@pytest.mark.parametrize(
    "raw",
    [
        "GET /healthz HTTP/1.1\r\nHost: here\r\nAuthorization : Bearer {0}\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: here\r\n{0} x\r\n\r\n",
        "GET /healthz {0}\r\nHost: here\r\n\r\n",
        "{0} /openai/v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{1}\r\n\r\n",
        "{0} /healthz HTTP/1.1\r\nHost: 127.0.0.1:{1}\r\n\r\n",
        "GET /{0}?key={0} HTTP/1.1\r\nHost: 127.0.0.1:{1}\r\n\r\n",
        "GET /openai/{0} HTTP/1.1\r\nHost: 127.0.0.1:{1}\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: {0}\r\n\r\n",
        "POST /openai/v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{1}\r\nContent-Length: 25\r\n\r\n{0}",
        "POST /openai/v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{1}\r\nTransfer-Encoding: chunked\r\n\r\n{0}\r\n",
        "POST /openai/v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{1}\r\nTransfer-Encoding: {0}\r\n\r\n",
        "POST /openai/v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{1}\r\nContent-Length: {0}\r\n\r\n",
    ],
)
async def test_a_refusal_never_repeats_what_was_sent(raw: str) -> None:
    secret = "XSENTX0123456789canary000"  # nobody knows it: it must not come back for that reason alone

    async def handle(_asked: Asked, _reply: Reply) -> None:
        raise AssertionError("nothing of this goes upstream")

    async with provider(handle) as url, world(url, [POOL]) as here:
        async with await trio.open_tcp_stream("127.0.0.1", here.port) as stream:
            await stream.send_all(raw.format(secret, here.port).encode())
            await stream.send_eof()
            received = b""
            while chunk := await stream.receive_some():
                received += chunk
        assert received.startswith((b"HTTP/1.1 4", b"HTTP/1.1 50")), received
        assert b"XSENTX" not in received
        assert b"bytearray" not in received
