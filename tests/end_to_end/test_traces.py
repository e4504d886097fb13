"""Traces of a real bridge, as a collector gets them; and that a collector that is not well is nobody's trouble."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from bridge.config.settings import McpServerSettings, McpSettings, RecordSettings, ServerSettings, Settings
from bridge.events.vocabulary import ServerChanged
from bridge.events.wire import Envelope
from bridge.server import Bridge
from tests.end_to_end.fated import LIMITED, FatedProvider
from tests.support.collector import ERROR, Collected, attributes, collector
from tests.support.tool_servers import PROGRAM
from tests.support.until import until
from tests.support.world import HELLO, KEYS, Asked, Hang, Reply, ask, provider, say_hello, world

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collected]:
    """A collector that every bridge of the test sends to."""
    with collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=canary-collector-token")
        yield found


async def test_a_request_is_a_tree_of_spans(collected: Collected) -> None:
    upstream = FatedProvider({KEYS[0]: LIMITED})
    async with provider(upstream) as url, world(url, KEYS) as here:
        await ask(here.port, headers=[("traceparent", PARENT), ("session-id", "s-1"), ("user-agent", "codex/1")])
        started = await here.event("interception.started")
    assert collected.services == {"clearspan"}
    assert {(span.name, collected.parent(span)) for span in collected.spans} == {
        ("Intercept", None),
        ("Intercept.CreateInterceptor", "Intercept"),
        ("Intercept.ProcessRequest", "Intercept"),
        ("Intercept.ProcessRequest.Upstream", "Intercept.ProcessRequest"),
        ("Intercept.RecordInterception", "Intercept"),
        ("Intercept.RecordInterceptionEnded", "Intercept"),
        ("Intercept.RecordPromptUsage", "Intercept"),
        ("Intercept.RecordTokenUsage", "Intercept"),
    }
    assert {span.trace_id.hex() for span in collected.spans} == {PARENT[3:35]}
    root = collected.only("Intercept")
    assert root.parent_span_id.hex() == PARENT[36:52]
    base = {
        "request_path": "/openai/v1/responses",
        "interception_id": started.id,
        "provider": "openai",
        "model": "m",
        "streaming": True,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
    }
    usage = {
        "gen_ai.response.id": "resp_1",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_creation.input_tokens": 0,
    }
    told = {"client": "Codex", "session_id": "s-1", "outcome": "completed", "http.response.status_code": 200}
    assert attributes(root) == {**base, **usage, **told}
    for span in collected.spans:
        assert attributes(span).items() >= base.items()
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    first, second = collected.named("Intercept.ProcessRequest.Upstream")
    assert attributes(first) == {**base, "attempt": 1, "key": "sk-c...0001", "http.response.status_code": 429}
    assert attributes(second) == {**base, **usage, "attempt": 2, "key": "sk-c...0002", "http.response.status_code": 200}
    assert (first.status.code, first.status.message) == (ERROR, "rate_limited")
    assert {span.name for span in collected.spans if span.status.code == ERROR} == {first.name}
    for span in (collected.only("Intercept.CreateInterceptor"), collected.only("Intercept.ProcessRequest")):
        assert root.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
    _holds_no_words(collected, "hello", "Hello")


def _holds_no_words(collected: Collected, *words: str) -> None:
    """No key, and nothing that was said."""
    sent = b"".join(collected.bodies)
    assert not [word for word in (*KEYS, "canary-collector-token", *words) if word.encode() in sent]


async def test_what_fails_is_marked_where_it_failed(collected: Collected) -> None:
    async def hang_up(_asked: Asked, _reply: Reply) -> None:
        raise Hang

    async with provider(hang_up) as url, world(url) as here:
        await ask(here.port)
        await ask(here.port, b"no JSON")
        failed, refused = (await here.event("interception.ended", 1)), (await here.event("interception.ended", 2))
    by_id = {
        name: {span.name: span for span in collected.spans if attributes(span)["interception_id"] == name}
        for name in (failed.id, refused.id)
    }
    spans = by_id[failed.id]
    assert {name for name, span in spans.items() if span.status.code == ERROR} == {
        "Intercept",
        "Intercept.ProcessRequest",
        "Intercept.ProcessRequest.Upstream",
    }
    assert spans["Intercept"].status.message == failed.error
    assert spans["Intercept.ProcessRequest.Upstream"].status.message == "connect_error"
    assert attributes(spans["Intercept"])["error.type"] == "server_error"
    spans = by_id[refused.id]
    assert {name for name, span in spans.items() if span.status.code == ERROR} == {
        "Intercept",
        "Intercept.CreateInterceptor",
    }
    assert "Intercept.ProcessRequest" not in spans
    assert spans["Intercept.CreateInterceptor"].status.message == refused.error


@pytest.mark.parametrize("status", [200, 404])
async def test_what_is_passed_through_is_one_span(status: int, collected: Collected) -> None:
    async def answer(_asked: Asked, reply: Reply) -> None:
        await reply.whole(status, b"x")

    async with provider(answer) as url, world(url) as here:
        await ask(
            here.port,
            b"",
            path="/openai/models/m-1?limit=2&key=canary",
            method="GET",
            headers=[("traceparent", PARENT)],
        )
    [span] = collected.spans
    assert (span.name, span.parent_span_id.hex()) == ("Passthrough", PARENT[36:52])
    assert attributes(span) == {
        "passthrough_url": "/openai/models/m-1?limit=2&key=...",
        "passthrough_upstream_url": f"{url}/models/m-1?limit=2&key=...",
        "passthrough_method": "GET",
        "provider": "openai",
    }
    assert (span.status.code == ERROR) is (status == 404)


async def test_what_a_caller_says_of_its_trace_is_sent_on_without_its_key(collected: Collected) -> None:
    key = "sk-canary-own-0123456789"
    headers = [("traceparent", PARENT), ("tracestate", f"a=1,vendor={key}"), ("authorization", f"Bearer {key}")]
    async with provider(say_hello) as url, world(url) as here:
        await ask(here.port, headers=headers)
    root = collected.only("Intercept")
    assert root.trace_state == "a=1,vendor=sk-c...6789"
    assert not [span for span in collected.spans if key in str(span)]


async def test_without_a_parent_each_request_is_a_trace(collected: Collected) -> None:
    async with provider(say_hello) as url, world(url, record=RecordSettings(path=None)) as here:
        for _ in range(2):
            await ask(here.port, headers=[("traceparent", "nonsense")])
    roots = collected.named("Intercept")
    assert [span.parent_span_id for span in roots] == [b"", b""]
    assert len({span.trace_id for span in roots}) == 2
    assert not [span.name for span in collected.spans if "Record" in span.name]
    assert collected.headers[0]["authorization"] == "canary-collector-token"


@pytest.mark.parametrize("trouble", ["down", "hangs", "no exporter", "no SDK"])
async def test_a_collector_in_trouble_is_nobodys(
    trouble: str, collected: Collected, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    match trouble:
        case "down":
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        case "hangs":
            collected.answers.clear()
        case "no exporter":
            monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
        case _:
            monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
            monkeypatch.delitem(sys.modules, "bridge.observe.traces.export", raising=False)
    async with provider(say_hello) as url, world(url) as here:
        for _ in range(20):
            assert (await ask(here.port)).body == b"".join(HELLO)
            await trio.sleep(0.02)
    log = capsys.readouterr().out
    told = {
        "down": "traces can't be delivered",
        "hangs": "not all traces were delivered",
        "no exporter": "names what is not known: zipkin",
        "no SDK": "the extra 'otel' is not installed",
    }
    assert log.count(told[trouble]) == 1
    assert "canary" not in log


async def test_servers_start_in_a_trace_of_their_own(collected: Collected, tmp_path: Path) -> None:
    servers = {"good": PROGRAM, "bad": McpServerSettings(command=(str(tmp_path / "nothing"),))}
    server = ServerSettings(port=0, socket=tmp_path / "events.sock")
    bridge = Bridge(Settings(server, RecordSettings(path=None), mcp=McpSettings(servers=servers), data_dir=tmp_path))
    told: dict[str, str] = {}

    def note(envelope: Envelope) -> None:
        if isinstance(envelope.event, ServerChanged):
            told.setdefault(f"{envelope.event.server} {envelope.event.state}", "")

    bridge.hub.add_sink(note)
    async with trio.open_nursery() as nursery:
        await nursery.start(bridge.run)
        await until(lambda: {"good ready", "bad failed"} <= told.keys())
        bridge.stop("the test is over")
    manager = collected.only("ServerProxyManager.Init")
    assert manager.status.code == ERROR
    good, bad = (
        next(span for span in collected.named("StdioServerProxy.Init") if attributes(span)["mcp_server_name"] == name)
        for name in ("good", "bad")
    )
    assert (good.status.code == ERROR, bad.status.code == ERROR) == (False, True)
    named = {"mcp_proxy_name": "good", "mcp_server_name": "good", "mcp_server_url": "stdio:good", "mcp_tool_count": 8}
    assert attributes(good) == attributes(collected.only("StdioServerProxy.Init.fetchTools")) == named
    assert collected.parent(good) == collected.parent(bad) == "ServerProxyManager.Init"
    assert collected.parent(collected.only("StdioServerProxy.Init.fetchTools")) == "StdioServerProxy.Init"


SHOW = """
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "bridge.observe.traces"))))
"""


async def test_nothing_is_loaded_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_TRACES_EXPORTER", raising=False)
    script = f"""
import sys, tempfile, trio
from pathlib import Path
from bridge.config.settings import RecordSettings, ServerSettings, Settings
from bridge.server import Bridge
async def main():
    with tempfile.TemporaryDirectory() as place:
        server = ServerSettings(port=0, socket=Path(place) / "e.sock")
        bridge = Bridge(Settings(server=server, record=RecordSettings(path=None), data_dir=Path(place)))
        async with trio.open_nursery() as nursery:
            await nursery.start(bridge.run)
            bridge.stop("enough")
trio.run(main)
{SHOW}
"""
    done = await trio.run_process([sys.executable, "-c", script], capture_stdout=True, stderr=subprocess.STDOUT)
    assert done.stdout.splitlines()[-1] == b"[]"
