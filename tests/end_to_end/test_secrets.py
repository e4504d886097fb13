"""No secret leaves the bridge but in the one header it belongs in: canaries are planted, and everything is searched."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from bridge.events.wire import encode
from bridge.keys.secret import Secret
from bridge.observe import logs
from tests.support.command_line import Home, clearspan, home, running, serving
from tests.support.log_setup import logging_put_back
from tests.support.world import HELLO, KEYS, STREAM, Answered, Asked, Hang, Reply, ask, provider, sse, world

LIMITED = "sk-canary-limited-0123456789"
REFUSED = "sk-canary-refused-0123456789"
ODD = "sk-canary-'odd\"\\n{}%s$(x)<&>-0123456789"
GOOD = "sk-canary-good-0123456789"
TOKEN = "token-canary-0123456789"
OWN = "sk-canary-own-0123456789"
OWN_ODD = "sk-canary-own-'\"\\-0123456789"
GATEWAY = "gateway-canary-0123456789"
CANARIES = (LIMITED, REFUSED, ODD, GOOD, TOKEN, OWN, OWN_ODD, GATEWAY)

CONFIG = """
[server]
client_tokens = {{ ann = {token} }}
[providers.openai]
type = "openai"
base_url = "{url}"
keys = {keys}
extra_headers = {{ X-Gateway = "{gateway}" }}
circuit_breaker = {{ enabled = false }}
[providers.nowhere]
type = "openai"
base_url = "http://127.0.0.1:1/v1"
keys = ["{good}"]
"""


def spellings(secret: str) -> set[str]:
    """How a secret looks in plain text, in JSON and in Python's quotes."""
    return {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(secret.encode())[2:-1]}


def leaks(text: str | bytes) -> list[str]:
    """The canaries in a text."""
    raw = text.encode() if isinstance(text, str) else text
    return [secret for secret in CANARIES if any(spelling.encode() in raw for spelling in spellings(secret))]


async def unkind(asked: Asked, reply: Reply) -> None:
    """A provider that does all it can to bring out what it was sent."""
    wish = orjson.loads(asked.body)["input"] if asked.body else ""
    shouted = asked.key.encode()
    if asked.key == LIMITED:
        await reply.whole(429, b'{"error":{"message":"%s is too fast"}}' % shouted, [("retry-after", "7")])
    elif asked.key == REFUSED:
        await reply.whole(401, b"Incorrect API key provided: " + shouted)
    elif wish == "garbage":
        await reply.raw(b"HTTP/1.1 what " + shouted + b"\r\n\r\n")
        raise Hang
    elif wish == "broken head":
        await reply.raw(b"HTTP/1.1 200 OK\r\n" + shouted + b"\r\n\r\n")
        raise Hang
    elif wish == "broken body":
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        await reply.raw(b"zz " + shouted + b"\r\n")
        raise Hang
    elif wish == "closed":
        raise Hang
    elif wish == "500":
        await reply.whole(500, b'{"error":{"message":"internal"}}')
    elif wish == "failed":
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0] + sse("error", error={"message": "it went wrong", "code": "server_error"}))
        await reply.end()
    else:
        await reply.head(200, [*STREAM, ("x-request-id", "req_1")])
        await reply.chunk(b"".join(HELLO))
        await reply.end()


WISHES = ("hello", "garbage", "broken head", "broken body", "closed", "500", "failed")


async def ask_for_all(port: int) -> list[Answered]:
    """Every wish with each way of paying for it, and some that come to nothing."""
    pay = [
        [("authorization", f"Bearer {TOKEN}")],
        [("x-api-key", TOKEN)],
        [("authorization", f"Bearer {OWN}")],
        [("x-api-key", OWN_ODD)],
    ]
    bodies = [{"model": "m", "input": wish, "stream": True} for wish in WISHES]
    answers = [await ask(port, body, headers=headers) for body in bodies for headers in pay]
    answers += [await ask(port, body, path="/nowhere/v1/responses", headers=pay[0]) for body in bodies[:1]]
    answers += [await ask(port, b"not json", headers=headers) for headers in pay]
    answers += [await ask(port, headers=[*pay[0], ("origin", "http://evil.com")])]
    answers += [await ask(port)]
    answers += [await ask(port, b"", path=path, method="GET") for path in ("/metrics", "/healthz", "/openai/v1/x")]
    return answers


async def commands(here: Home) -> list[str]:
    """What every command prints."""
    said = []
    for arguments in (["check"], ["keys"], ["keys", "--json"], ["env"], ["history"], ["history", "--json"], ["stats"]):
        done = await clearspan(here, *arguments)
        assert done.code == 0, done
        said += [done.out, done.err]
    return said


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All that was written below a folder, the configuration left out."""
    for file in folder.rglob("*"):
        if file.is_file() and file.name != "config.toml":
            yield file.name, file.read_bytes()


@pytest.mark.parametrize("form", ["text", "json"])
async def test_no_canary_is_found_anywhere(form: str) -> None:
    async with provider(unkind) as url:
        with home(POOL=f"{LIMITED},{REFUSED}") as here:
            keys = ["env:POOL", ODD, GOOD]
            here.configure(
                CONFIG.format(url=url, keys=orjson.dumps(keys).decode(), token=f'"{TOKEN}"', gateway=GATEWAY, good=GOOD)
            )
            async with (
                serving(here, "--log-level", "debug", "--log-format", form) as (bridge, address),
                running(here, "tail", "--json") as raw,
                running(here, "tail") as readable,
            ):
                await raw.says("\n", 2)
                answers = await ask_for_all(int(address.rpartition(":")[2]))
                said = await commands(here)
                await bridge.ends(signal.SIGTERM)
                await raw.ends()
                await readable.ends()
            outputs = [raw.out, raw.err, readable.out, readable.err]
            _search(here, answers, [*said, *(output.decode() for output in outputs)])
            _search(here, [], [bridge.out.decode(), bridge.err.decode()])
            assert "Traceback" not in bridge.err.decode()


def _search(here: Home, answers: Sequence[Answered], texts: Sequence[str]) -> None:
    for answer in answers:
        assert not leaks(answer.body), answer
        assert not leaks(repr(answer.headers)), answer
    for text in texts:
        assert not leaks(text), text
    for name, content in files(here.path):
        assert not leaks(content), name
    told = "".join(texts)
    if answers:
        assert {200, 400, 401, 403, 404, 500, 502} <= {answer.status for answer in answers}
        assert "sk-c...6789" in told  # what may be shown of the first four
        assert "toke...6789" in told
        assert '"rate_limited"' in told
        assert '"unauthorized"' in told


async def test_no_canary_is_in_what_a_bad_configuration_is_told_by() -> None:
    with home(POOL=f"{LIMITED},{REFUSED} ") as here:
        file = here.configure(
            f'[server]\nport = "{TOKEN}"\nclient_tokens = {{ a = ["{TOKEN}"] }}\n[providers.openai]\ntype = "openai"\n'
            f'keys = ["env:{LIMITED}", "{GOOD}\\t", "cmd:echo {OWN} {OWN}"]\nbase_url = "{GATEWAY}"\n'
        )
        for command in ("check", "serve", "up"):
            said = await clearspan(here, command)
            assert said.code == 2
            assert said.err.count(f"clearspan: {file}:") >= 4
            assert not leaks(said.out + said.err)


async def test_an_error_inside_the_bridge_tells_no_canary(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bug of ours, in the midst of a request that holds every secret."""

    def stumble(*_: object) -> None:
        raise RuntimeError(f"cannot go on with {GOOD} and {ODD!r}")

    monkeypatch.setattr("bridge.interception.interception.headers_upstream", stumble)
    with logging_put_back():
        async with (
            provider(unkind) as url,
            world(url, [GOOD, ODD], server={"client_tokens": {"a": Secret(TOKEN)}}) as here,
        ):
            logs.configure("debug", "text")
            answer = await ask(here.port, headers=[("authorization", f"Bearer {TOKEN}")])
            await here.event("interception.ended")
    said = capfd.readouterr()
    assert answer.status == 500
    assert "RuntimeError" in said.err
    assert not leaks(said.err + said.out + answer.body.decode())


@pytest.mark.parametrize("key", ["pool", "caller"])
async def test_a_key_that_upstream_says_back_is_told_to_nobody_else(key: str) -> None:
    """The client gets upstream's words untouched; events, and what is made of them, do not."""

    async def handle(asked: Asked, reply: Reply) -> None:
        await reply.head(200, [*STREAM, ("x-request-id", asked.key)])
        error = {"message": f"Incorrect API key provided: {asked.key}", "code": "server_error"}
        await reply.chunk(HELLO[0] + HELLO[1] + sse("error", error=error))
        await reply.end()

    async with provider(handle) as url, world(url, [GOOD] if key == "pool" else KEYS[:1]) as here:
        own = [("authorization", f"Bearer {GOOD}")] if key == "caller" else []
        answer = await ask(here.port, headers=own)
        await here.event("interception.ended")
        assert leaks(answer.body) == [GOOD]
        assert not leaks(b"".join(encode(envelope) for envelope in here.envelopes))
