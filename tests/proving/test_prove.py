"""Captured requests, replayed and compared at both ends: equal as a rule, and any one byte that is not is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from bridge.cli.main import cli
from bridge.http.exchange import Exchange
from bridge.http.fields import RawHeaders
from bridge.interception.headers import headers_upstream
from bridge.providers.outgoing import Outgoing
from bridge.proving.captures import Capture, NotACapture, captures
from bridge.proving.trial import Tried, trial
from tests.support.dialects import DIALECTS
from tests.support.log_setup import logging_put_back

SECRET = "sk-captured-canary-0001"
AGENTS = {
    "responses": {"user-agent": "codex_exec/0.169.0", "originator": "codex_exec", "authorization": f"Bearer {SECRET}"},
    "chat_completions": {"User-Agent": "aider/0.86", "X-Twice": ["one", "two"]},
    "messages": {"user-agent": "claude-cli/2.1.0", "anthropic-version": "2023-06-01", "x-api-key": SECRET},
}
HELLO = {"method": "HEAD", "path": "/anthropic", "headers": {}}


def asking(api: str, *, stream: bool) -> dict[str, Any]:
    """A captured request of that API."""
    body = {"model": "some-model", "stream": stream, **DIALECTS[api].asking, "note": "Grüße 字"}
    path = DIALECTS[api].path.removeprefix("/openai").removeprefix("/anthropic")
    return {"method": "POST", "path": f"{path}?beta=true", "headers": AGENTS[api], "json": body}


def folder(place: Path) -> Path:
    """One with requests in every form."""
    found = place / "captured"
    (found / "deeper").mkdir(parents=True)
    for api in AGENTS:
        both = [asking(api, stream=stream) for stream in (True, False)]
        (found / f"{api}.json").write_bytes(orjson.dumps(both))
    (found / "deeper" / "hello.json").write_bytes(orjson.dumps(HELLO))
    text = {"path": "/openai/v1/responses", "body": '{ "model":"m" , "input":"x","n":1.0e0}'}
    (found / "text.json").write_bytes(orjson.dumps(text))
    dumped = b"POST /v1/responses HTTP/1.1\r\nAuthorization: sk-c...0001\r\nUser-Agent: OpenAI/Python 3.54\r\n\r\n"
    dumped += b'{\n  "model": "m",\n  "input": "x"\n}\n'
    (found / "1764-0a.req.txt").write_bytes(dumped)
    entry = {
        "method": "POST",
        "url": "http://127.0.0.1:8484/openai/v1/responses",
        "headers": [{"name": "User-Agent", "value": "opencode/1.18"}],
        "postData": {"text": '{"model":"m","stream":true,"input":"x"}'},
    }
    (found / "ours.har").write_bytes(orjson.dumps({"log": {"entries": [{"request": entry}]}}))
    return found


def prove(place: Path) -> tuple[int, str]:
    """`clearspan prove`: its exit code, and what it prints."""
    with logging_put_back():
        result = CliRunner().invoke(cli, ["prove", str(place)])
    return result.exit_code, result.output


def test_all_that_was_captured_is_equal(tmp_path: Path) -> None:
    code, printed = prove(folder(tmp_path))
    assert code == 0, printed
    assert "All 10 crossed byte for byte, 1 of them with the usage that the bridge asks for." in printed
    rows = {line[:18].strip(): line[18:].split() for line in printed.splitlines()[1:8]}
    assert rows["Codex"] == ["2", *["2", "of", "2"], *["2", "of", "2"], *["2", "of", "2"], *["2", "of", "2"]]
    assert {"Aider", "Claude Code", "OpenAI SDK", "opencode"} <= rows.keys()
    assert SECRET not in printed


async def tried(place: Path) -> list[Tried]:
    """What became of each request."""
    found = await trial(captures(folder(place)))
    assert not [left_out for left_out in found if isinstance(left_out, NotACapture)]
    return [result for result in found if isinstance(result, Tried)]


async def test_a_byte_that_the_answers_lose_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Exchange.send

    async def change(self: Exchange, chunk: bytes) -> None:
        await send(self, chunk.replace("字".encode(), "宇".encode()))

    monkeypatch.setattr(Exchange, "send", change)
    changed = [result for result in await tried(tmp_path) if result.answer is False]
    assert {result.agent for result in changed} >= {"Codex", "Aider", "Claude Code"}
    assert all(any("not the same from byte" in fault for fault in result.faults) for result in changed)


async def test_a_byte_changed_below_the_bridges_own_proof_is_caught_and_the_proof_called_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Outgoing._send_now

    def change(self: Outgoing, piece: bytes | memoryview) -> int:
        return send(self, bytes(piece).replace("字".encode(), "宇".encode()))

    monkeypatch.setattr(Outgoing, "_send_now", change)
    changed = [result for result in await tried(tmp_path) if result.request is False]
    assert {result.agent for result in changed} == {"Codex", "Aider", "Claude Code"}
    blocking = [result for result in changed if not result.added]
    assert all("the bridge says request_equal = true" in result.faults for result in blocking)


async def test_a_header_that_is_lost_or_made_up_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(client: RawHeaders, extra: Any = ()) -> RawHeaders:
        kept = [pair for pair in headers_upstream(client, extra) if pair != (b"X-Twice", b"two")]
        return [*kept, (b"x-more", b"1")]

    monkeypatch.setattr("bridge.interception.interception.headers_upstream", change)
    results = [result for result in await tried(tmp_path) if result.request is not None]
    assert {result.headers for result in results} == {False}
    aider = next(result for result in results if result.agent == "Aider")
    assert "the header x-twice did not go upstream as it came" in aider.faults
    assert "the header x-more went upstream and nobody sent it" in aider.faults


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", b"{", "not JSON"),
        ("a.json", b"[1]", "an object with a 'path'"),
        ("a.json", b'{"path":"/v1/x","headers":[]}', "'headers' must be an object"),
        ("a.json", b'{"path":"/v1/x","body":{}}', "belongs into 'json'"),
        ("a.json", b'{"path":"/v1/x y"}', "can't stand in a request"),
        ("a.json", b'{"path":"/v1/x","headers":{"a":"b\\r\\nc: d"}}', "header 'a' can't stand in a request"),
        ("a.req.txt", b"hello", "does not begin with the head of a request"),
        ("a.har", b'{"log":{}}', "not an HTTP archive"),
    ],
)
def test_what_is_no_capture_is_left_out_with_the_reason(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    [found] = captures(tmp_path)
    assert isinstance(found, NotACapture)
    assert str(found).startswith(f"{name}: ")
    assert reason in str(found)
    code, printed = prove(tmp_path)
    assert code == 1
    assert f"left out: {name}: " in printed


def test_a_request_that_no_route_serves_is_told_and_fails(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"path":"/v1/organization/keys","json":{}}')
    code, printed = prove(tmp_path)
    assert code == 1
    assert "a.json: the bridge answered 404 by itself" in printed


def test_a_folder_without_any_is_an_error(tmp_path: Path) -> None:
    code, _ = prove(tmp_path)
    assert code == 1


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/v1/messages", {}, "/anthropic/v1/messages"),
        ("/messages", {}, "/anthropic/messages"),
        ("/v1/models", {}, "/openai/v1/models"),
        ("/v1/models", {"anthropic-version": "2023-06-01"}, "/anthropic/v1/models"),
        ("https://api.openai.com/v1/responses", {}, "/openai/v1/responses"),
        ("/anthropic/v1/messages?beta=true", {}, "/anthropic/v1/messages?beta=true"),
    ],
)
def test_the_provider_is_known_by_the_path(tmp_path: Path, path: str, headers: dict[str, str], expected: str) -> None:
    (tmp_path / "a.json").write_bytes(orjson.dumps({"path": path, "headers": headers}))
    [found] = captures(tmp_path)
    assert isinstance(found, Capture)
    assert found.path == expected
