"""Routes that are relayed without being understood: which are, which never, and what crosses in both directions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import h11
import pytest
import trio

from bridge import __version__
from bridge.config.settings import ProviderSettings
from bridge.keys.secret import Secret
from tests.end_to_end.uploads import Upload, receiving
from tests.support.world import KEYS, STREAM, Asked, Reply, World, ask, provider, running, say_hello, world

SERVED = {
    "/openai/v1/models": "/v1/models",
    "/openai/v1/models/gpt-5.2": "/v1/models/gpt-5.2",
    "/openai/v1/models/ft:gpt-5.2:org::id": "/v1/models/ft:gpt-5.2:org::id",
    "/openai/v1/models/a%20b": "/v1/models/a%20b",
    "/openai/v1/models/": "/v1/models/",
    "/openai/v1/models?limit=2&after=a%2Fb": "/v1/models?limit=2&after=a%2Fb",
    "/openai/v1/models?path=/../organization": "/v1/models?path=/../organization",
    "/openai/v1/conversations": "/v1/conversations",
    "/openai/v1/conversations/conv_1/items": "/v1/conversations/conv_1/items",
    "/openai/v1/responses/resp_1": "/v1/responses/resp_1",
    "/openai/v1/responses/resp_1/input_items?order=asc": "/v1/responses/resp_1/input_items?order=asc",
    "/openai/v1/responses/resp_1/cancel": "/v1/responses/resp_1/cancel",
    "/openai/v1/embeddings": "/v1/embeddings",
    "/openai/v1/completions": "/v1/completions",
    "/openai/v1/moderations": "/v1/moderations",
    "/openai/v1/files": "/v1/files",
    "/openai/v1/files/file-1/content": "/v1/files/file-1/content",
    "/openai/v1/uploads/upload_1/parts": "/v1/uploads/upload_1/parts",
    "/openai/v1/images/generations": "/v1/images/generations",
    "/openai/v1/audio/transcriptions": "/v1/audio/transcriptions",
    "/openai/v1/vector_stores/vs_1/files": "/v1/vector_stores/vs_1/files",
    "/openai/v1/batches/batch_1/cancel": "/v1/batches/batch_1/cancel",
    "/openai/models": "/v1/models",
    "/openai/models/gpt-5.2?x=1": "/v1/models/gpt-5.2?x=1",
    "/openai/responses/resp_1": "/v1/responses/resp_1",
    "/openai/embeddings": "/v1/embeddings",
    "/openai/files": "/v1/files",
    "/anthropic/models": "/v1/models",
    "/anthropic/messages/count_tokens": "/v1/messages/count_tokens",
    "/anthropic/v1/models": "/v1/models",
    "/anthropic/v1/models/claude-opus-4-6": "/v1/models/claude-opus-4-6",
    "/anthropic/v1/messages/count_tokens": "/v1/messages/count_tokens",
    "/anthropic/v1/messages/count_tokens?beta=true": "/v1/messages/count_tokens?beta=true",
    "/anthropic/v1/messages/batches": "/v1/messages/batches",
    "/anthropic/v1/messages/batches/msgbatch_1/results": "/v1/messages/batches/msgbatch_1/results",
    "/anthropic/api/event_logging/batch": "/api/event_logging/batch",
    "/anthropic/api/hello": "/api/hello",
}
"""A route as a client asks for it, and as the provider gets it."""

ADMINISTRATIVE = [
    "/openai/v1/organization/projects",
    "/openai/v1/organization/admin_api_keys",
    "/openai/v1/admin",
    "/openai/v1/filesystem",
    "/openai/v1/v1/models",
    "/openai/v1/completions/more",
    "/openai/v1/fine_tuning/jobs",
    "/openai/v1/modelsandmore",
    "/openai/v1/embeddings_admin",
    "/openai/organization",
    "/openai/api/hello",
    "/openai/v1",
    "/anthropic/v1/organizations/api_keys",
    "/anthropic/v1/organizations/workspaces/members",
    "/anthropic/v1/admin",
    "/anthropic/v1/files",
    "/anthropic/v1/messages/other",
    "/anthropic/v1/messages/count_tokens/more",
    "/anthropic/api/hello/more",
    "/anthropic/api/oauth/profile",
    "/anthropic/api/event_logging",
    "/anthropic/v1/conversations",
    "/unknown/v1/models",
    "/unknown",
    "/unknown/",
    "/v1/models",
]

DISGUISED = [
    "/openai/v1/models/../organization/projects",
    "/openai/v1/models/./x",
    "/openai/v1/models/..",
    "/openai/v1/models/%2e%2e/organization",
    "/openai/v1/models/%2E%2e/organization",
    "/openai/v1/models/.%2e/organization",
    "/openai/v1/models/%252e%252e/organization",
    "/openai/v1/models/..%2forganization",
    "/openai/v1/models/x%2f..%2f..%2forganization",
    "/openai/v1/models/x%5c..%5corganization",
    "/openai/v1/models/..\\organization",
    "/openai/v1/models//organization",
    "/openai/v1//models",
    "/openai//v1/models",
    "/openai//models",
    "/openai/models/../organization",
    "/openai/%76%31/organization",
    "//openai/v1/models",
    "/openai/v1/models/x%00",
    "/openai/v1/models/%ff",
    "/openai/v1/models/%c0%ae%c0%ae/organization",
    "/openai/v1/models/%c0%ae%c0%ae%c0%aforganization",
    "/openai/v1/models/..;/organization",
    "/openai/v1/models/..;x=1/organization",
    "/openai/v1/models/%2e%2e%3b/organization",
    "/openai/v1/models/;/organization",
    "/openai/v1/models/x%0d%0aX-Y:1",
    "/openai/v1/models/x;/../../organization",
    "/openai/v1/responses/../organization",
    "/openai/v1/responses/",
    "/openai/v1/responses//",
    "/openai/v1/%6dodels/../organization",
    "/openai/v1/conversations/%2e%2e%2forganization",
    "/anthropic/v1/models/../organizations/api_keys",
    "/anthropic/v1/messages/batches/../../organizations",
    "/anthropic/v1/messages/batches/%2e%2e/%2e%2e/organizations",
    "/anthropic/api/event_logging/../oauth/profile",
    "/anthropic/api/event_logging/%2e%2e/oauth",
]


@asynccontextmanager
async def both(base: str, keys: Sequence[str] = KEYS[:1], **server: int) -> AsyncIterator[World]:
    """A bridge with both types of provider, at one address that ends in /v1."""
    secrets = tuple(Secret(key) for key in keys)
    openai = ProviderSettings(type="openai", base_url=base, keys=secrets)
    anthropic = ProviderSettings(type="anthropic", base_url=base.removesuffix("/v1"), keys=secrets)
    async with running({"openai": openai, "anthropic": anthropic}, server=dict(server)) as here:
        yield here


async def test_the_routes_that_are_served() -> None:
    seen: list[Asked] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append(asked)
        await reply.whole(200, b"as it is\x00", [("content-type", "application/octet-stream"), ("x-request-id", "r")])

    async with provider(handle) as url, both(url) as here:
        for route, target in SERVED.items():
            answer = await ask(here.port, b"", path=route, method="GET")
            assert (answer.status, answer.body, seen[-1].target) == (200, b"as it is\x00", target)
            kept = seen[-1].key if route.startswith("/openai") else seen[-1].header("x-api-key")
            assert kept == KEYS[0]
            ended = await here.event("interception.ended", len(seen))
            assert ended.outcome == "completed"
            assert answer.header("x-clearspan-interception") == ended.id
        assert {event.api for event in here.events("interception.started")} == {"passthrough"}
        assert len(seen) == len(SERVED)
        assert here.events("prompt.recorded", "tokens.used", "thought.recorded") == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_routes_that_are_not(method: str) -> None:
    async def handle(asked: Asked, _: Reply) -> None:
        raise AssertionError(f"it went upstream as {asked.target}")

    async with provider(handle) as url, both(url) as here:
        for route in (*ADMINISTRATIVE, *DISGUISED):
            answer = await ask(here.port, b"", path=route, method=method)
            assert answer.status == 404, route
            error = answer.json
            assert error.get("type") == ("error" if route.startswith("/anthropic") else None), route
            assert "no such route is served here" in error["error"]["message"]
            assert answer.header("x-clearspan-interception")
        assert here.events("interception.started") == []


async def test_routes_of_the_owners_own() -> None:
    seen: list[str] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append(asked.target)
        await reply.whole(200, b"{}", [])

    routes = ("/realtime/.*", "/v2/x", "/audit|/x")
    async with provider(handle) as url, world(url, routes=routes) as here:
        served = ["/v1/realtime/calls?x=1", "/realtime/calls", "/v1/v2/x", "/v2/x", "/v1/audit", "/x"]
        for path in served:
            assert (await ask(here.port, b"{}", path=f"/openai{path}")).status == 200, path
        for path in ("/v1/realtime", "/v1/realtime/../organization", "/v1/xx", "/v1/v2/x/y", "/v1/realtime/a%2f..%2fb"):
            assert (await ask(here.port, b"{}", path=f"/openai{path}")).status == 404, path
    below = [path.removeprefix("/v1") for path in served]
    assert seen == [f"/v1{path}" for path in below]


@pytest.mark.parametrize("path", ["/v1/organization", "/organization/projects", "/v1/%6frganization", "/v1/Admin/x",
                                  "/v1/v1/organization", "/organizations"])  # fmt: skip
async def test_no_expression_opens_an_administrative_route(path: str) -> None:
    async with provider(say_hello) as url, world(url, routes=(".*",)) as here:
        assert (await ask(here.port, path="/openai/v1/anything")).status == 200
        assert (await ask(here.port, path=f"/openai{path}")).status == 404


@pytest.mark.parametrize("path", ["/", "/openai", "/openai/", "/anthropic"])
async def test_somebody_is_there(path: str) -> None:
    async def handle(asked: Asked, _: Reply) -> None:
        raise AssertionError(f"it went upstream as {asked.target}")

    async with provider(handle) as url, both(url) as here:
        status, headers = await head(here.port, path)
        answer = await ask(here.port, b"", path=path, method="GET")
        wrong = await ask(here.port, b"{}", path=path)
        foreign = await ask(here.port, b"", path=path, method="GET", headers=[("host", "evil.com")])
        assert here.events("interception.started") == []
    assert (status, headers["content-type"]) == (200, "application/json")
    assert answer.status == 200
    assert answer.json.keys() == {"name", "version", "read_more"}
    assert (answer.json["name"], answer.json["version"]) == ("clearspan", __version__)
    assert (wrong.status, foreign.status) == (404, 403)


async def test_apis_are_read_without_v1_too() -> None:
    async with provider(say_hello) as url, both(url) as here:
        answer = await ask(here.port, path="/openai/responses")
        wrong = await ask(here.port, b"", path="/openai/chat/completions", method="GET")
        started = await here.event("interception.started")
        await here.event("prompt.recorded")
    assert (answer.status, started.api, started.path) == (200, "responses", "/openai/responses")
    assert (wrong.status, wrong.header("allow")) == (405, "POST")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ODD"])
async def test_all_methods(method: str) -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        assert (asked.method, asked.body) == (method, body)
        await reply.head(200, [("x-seen", "1")], length=7)
        if method != "HEAD":
            await reply.raw(b"deleted")

    body = b"" if method in {"GET", "HEAD", "OPTIONS"} else b"payload"
    async with provider(handle) as url, both(url) as here:
        if method == "HEAD":
            status, headers = await head(here.port, "/openai/v1/models")
            assert (status, headers["x-seen"], headers["content-length"]) == (200, "1", "7")
        else:
            answer = await ask(here.port, body, path="/openai/v1/responses/resp_1", method=method)
            assert (answer.status, answer.body, answer.header("x-seen")) == (200, b"deleted", "1")
        ended = await here.event("interception.ended")
        assert (ended.outcome, ended.status) == ("completed", 200)
        assert here.events("interception.started")[0].method == method


async def head(port: int, path: str) -> tuple[int, dict[str, str]]:
    """The answer to HEAD, after which the connection serves another request."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        for _ in range(2):
            await stream.send_all(f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            answer = await _head_answer(stream)
    return answer.status_code, {name.decode(): value.decode() for name, value in answer.headers}


async def _head_answer(stream: trio.SocketStream) -> h11.Response:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="HEAD", target="/", headers=[("host", "x")]))
    connection.send(h11.EndOfMessage())
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await stream.receive_some())
    assert isinstance(event, h11.Response)
    assert isinstance(connection.next_event(), h11.EndOfMessage)
    return event


async def test_an_upload_that_can_be_sent_again_goes_to_the_next_key() -> None:
    upload = bytes(range(256)) * 4095  # just under 1 MiB
    seen: list[tuple[str, bytes]] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append((asked.key, asked.body))
        status = 429 if asked.key == KEYS[0] else 200
        await reply.whole(status, b"{}", [("retry-after", "30")])

    async with provider(handle) as url, both(url, KEYS[:2]) as here:
        answer = await ask(here.port, upload, path="/openai/v1/embeddings")
        assert answer.status == 200
        (failed,) = here.events("attempt.failed")
    assert [key for key, _ in seen] == list(KEYS[:2])
    assert all(body == upload for _, body in seen)
    assert (failed.reason, failed.status) == ("rate_limited", 429)


async def test_a_larger_one_goes_by_as_it_comes() -> None:
    """Upstream has the first bytes before the client has sent the last, and the bridge holds only a few of them."""
    upload = Upload(size=32 * 1024 * 1024)
    async with receiving(upload) as url, both(url, KEYS[:2]) as here:
        async with await trio.open_tcp_stream("127.0.0.1", here.port) as client:
            await client.send_all(upload.head("/openai/v1/embeddings", here.port))
            await upload.send_until_it_stalls(client)
            assert upload.first_bytes_came.is_set()
            held = upload.sent - upload.received
            assert held < 16 * 1024 * 1024  # in four kernel buffers and the bridge; the rest waits at the client
            upload.go_on.set()
            await upload.send_rest(client)
            answer = await client.receive_some()
        assert answer.startswith(b"HTTP/1.1 429 ")
        ended = await here.event("interception.ended")
    assert upload.is_whole
    assert upload.keys == [KEYS[0]]  # gone with the first attempt: no other key can be tried
    assert (ended.status, ended.attempts) == (429, 1)


async def test_a_client_that_leaves_in_the_middle_of_an_upload() -> None:
    upload = Upload(size=8 * 1024 * 1024)
    async with receiving(upload) as url, both(url) as here:
        upload.go_on.set()
        async with await trio.open_tcp_stream("127.0.0.1", here.port) as client:
            await client.send_all(upload.head("/openai/v1/embeddings", here.port))
            await client.send_all(bytes(2 * 1024 * 1024))
            with trio.fail_after(10):
                await upload.first_bytes_came.wait()
        ended = await here.event("interception.ended")
        with trio.fail_after(10):
            await upload.closed.wait()
    assert (ended.outcome, ended.error) == ("cancelled", "the client left")
    assert upload.received < upload.size


@pytest.mark.parametrize("told", [True, False])
async def test_one_that_is_too_large(told: bool) -> None:
    upload = Upload(size=4 * 1024 * 1024)
    async with receiving(upload) as url, both(url, max_request_bytes=2 * 1024 * 1024) as here:
        upload.go_on.set()
        async with await trio.open_tcp_stream("127.0.0.1", here.port) as client:
            await client.send_all(upload.head("/anthropic/v1/messages/batches", here.port, length_told=told))
            if not told:
                await upload.send_chunked(client)
            answer = bytearray()
            with trio.fail_after(10):
                while b"}" not in answer:
                    answer += await client.receive_some()
        ended = await here.event("interception.ended")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"request_too_large"' in answer
    assert (ended.outcome, ended.status) == ("rejected", 413)
    assert upload.keys == [] or not told


@pytest.mark.parametrize(("kind", "named"), [("openai", "rate_limit_error"), ("anthropic", "rate_limit_error")])
async def test_errors_have_the_providers_shape(kind: str, named: str) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(429, b"{}", [("retry-after", "7")])

    async with provider(handle) as url, both(url) as here:
        answers = [await ask(here.port, b"", path=f"/{kind}/v1/models", method="GET") for _ in range(3)]
    given, *own = answers  # the provider's, whose only key this is; then ours, as nobody can be asked
    assert (given.status, given.body, given.header("retry-after")) == (429, b"{}", "7")
    for response in own:
        assert (response.status, response.json["error"]["type"]) == (429, named)
        assert 1 <= int(response.header("retry-after") or 0) <= 7
        assert (response.json.get("type") == "error") is (kind == "anthropic")


async def test_a_stream_comes_down_as_it_comes() -> None:
    first = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(b"data: 1\n\n")
        await first.wait()
        await reply.chunk(b"data: 2")
        await reply.end()

    async with provider(handle) as url, both(url) as here:
        with trio.fail_after(10):
            path = "/openai/v1/responses/resp_1?stream=true"
            answer = await ask(here.port, b"", path=path, method="GET", on_chunk=lambda _: first.set())
        ended = await here.event("interception.ended")
    assert (answer.body, answer.complete) == (b"data: 1\n\ndata: 2", True)
    assert ended.outcome == "completed"


async def test_a_method_goes_upstream_as_it_is_written() -> None:
    methods: list[str] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        methods.append(asked.method)
        await reply.whole(200, b"{}")

    async with provider(handle) as url, world(url) as here:
        for method in ("post", "Post", "POST", "x-odd"):
            await ask(here.port, b"{}", path="/openai/v1/embeddings", method=method)
    assert methods == ["post", "Post", "POST", "x-odd"]
