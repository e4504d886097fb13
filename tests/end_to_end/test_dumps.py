"""Dumps: what of each attempt lies in files, how it reads as HTTP, and that no secret and no harm comes of it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
import resource
import stat
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import evolve

from bridge.config.settings import RecordSettings
from bridge.config.units import Seconds, Size
from bridge.keys.secret import Secret
from bridge.limits import LIMITS
from bridge.observe.dumps import queue as dumps_queue
from bridge.observe.dumps import sheet
from bridge.observe.logs import redactor
from bridge.providers.attempt import Call
from monitor.terminal import dump
from tests.end_to_end.fated import LIMITED, UNAUTHORIZED, FatedProvider
from tests.record.commands import run
from tests.support.dumped import answer, files, named, request
from tests.support.scrape import metric
from tests.support.until import until
from tests.support.world import (
    HELLO,
    KEYS,
    STREAM,
    Asked,
    Handle,
    Hang,
    Reply,
    World,
    ask,
    provider,
    say_hello,
    world,
)

BODY = b'{"model":"m","stream":true,"number":1.0e3,"twice":1,"twice":2,"input":"h\\u00e9llo \xc3\xa9"}'
LAID_OUT = b"""{
  "model": "m",
  "stream": true,
  "number": 1.0e3,
  "twice": 1,
  "twice": 2,
  "input": "h\\u00e9llo \xc3\xa9"
}
"""
LIMITED_STREAM = [("retry-after", "7")]
CALL = Call("GET", b"/", [], b"", 1.0, 1.0)


@asynccontextmanager
async def dumping(
    place: Path, handle: Handle, keys: tuple[str, ...] = KEYS[:1], **settings: Any
) -> AsyncIterator[World]:
    """A bridge that dumps into `place/dumps`, before a provider that does so. What was dumped is there at the end."""
    kept = {name: settings.pop(name) for name in ("dump_keep", "dump_max_bytes", "dump_dir") if name in settings}
    record = RecordSettings(path=place / "clearspan.db", **{"dump_dir": place / "dumps", **kept})
    async with provider(handle) as url, world(url, keys, record=record, **settings) as here:
        yield here


async def test_an_attempt_is_a_pair_of_files_that_are_http(tmp_path: Path) -> None:
    async with dumping(tmp_path, say_hello) as here:
        got = await ask(
            here.port, BODY, headers=[("x-odd-NAME", "b"), ("accept", "x")], path="/openai/v1/responses?a=1"
        )
        ended = await here.event("interception.ended")
        [began] = [envelope.at for envelope in here.envelopes if envelope.event.type == "interception.started"]
    stem = f"{round(began.timestamp() * 1000)}-{ended.id}"
    assert files(tmp_path / "dumps") == [
        tmp_path / "dumps/openai/m" / f"{stem}.req.txt",
        tmp_path / "dumps/openai/m" / f"{stem}.resp.txt",
    ]
    sent, came = files(tmp_path / "dumps")
    told = request(sent)
    assert (told.first, told.body) == ("POST /v1/responses?a=1", LAID_OUT)
    assert told.headers == [
        ("Accept", "x"),
        ("Accept-Encoding", "identity"),
        ("Authorization", "Bear...0001"),
        ("Content-Length", str(len(LAID_OUT))),
        ("Content-Type", "application/json"),
        ("Host", told.header("host")),
        ("X-Odd-Name", "b"),
    ]
    heard = answer(came)
    assert (heard.first, heard.body, got.body) == ("200", b"".join(HELLO), b"".join(HELLO))
    assert [name for name, _ in heard.headers] == ["Content-Length", "Content-Type", "X-Request-Id"]


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    async with dumping(tmp_path, say_hello) as here:
        await ask(here.port)
    folders = [tmp_path / "dumps", tmp_path / "dumps/openai", tmp_path / "dumps/openai/m"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in folders] == [0o700] * 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path / "dumps")} == {0o600}


async def test_every_attempt_of_a_failover_has_its_own(tmp_path: Path) -> None:
    upstream = FatedProvider({KEYS[0]: LIMITED, KEYS[1]: UNAUTHORIZED}, {KEYS[0]: LIMITED_STREAM})
    async with dumping(tmp_path, upstream, KEYS) as here:
        await ask(here.port)
        ended = await here.event("interception.ended")
    names = [path.name.partition(ended.id)[2] for path in files(tmp_path / "dumps")]
    assert names == [".2.req.txt", ".2.resp.txt", ".3.req.txt", ".3.resp.txt", ".req.txt", ".resp.txt"]
    [first] = named(tmp_path, f"{ended.id}.resp.txt")
    assert (answer(first).first, answer(first).header("retry-after")) == ("429", "7")
    [second] = named(tmp_path, ".2.resp.txt")
    assert (answer(second).first, orjson.loads(answer(second).body)["error"]["message"]) == ("401", "no")
    [third] = named(tmp_path, ".3.resp.txt")
    assert (answer(third).first, answer(third).body) == ("200", b"".join(HELLO))
    hints = {request(path).header("authorization") for path in named(tmp_path, ".req.txt")}
    assert hints == {"Bear...0001", "Bear...0002", "Bear...0003"}


async def test_a_stream_that_breaks_off_keeps_what_came(tmp_path: Path) -> None:
    async def break_off(_asked: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        await reply.chunk(HELLO[1])
        raise Hang

    async with dumping(tmp_path, break_off) as here:
        assert not (await ask(here.port)).complete
    [came] = named(tmp_path, ".resp.txt")
    assert answer(came).body == HELLO[0] + HELLO[1]


async def test_where_no_answer_comes_a_file_says_why(tmp_path: Path) -> None:
    async def hang_up(_asked: Asked, _reply: Reply) -> None:
        raise Hang

    async with dumping(tmp_path, hang_up) as here:
        assert (await ask(here.port)).status == 502
    sent, error = files(tmp_path / "dumps")
    assert (sent.name.endswith(".req.txt"), error.name.endswith(".req_error.txt")) == (True, True)
    assert request(sent).first == "POST /v1/responses"
    assert error.read_text().startswith("upstream closed the connection")


async def test_a_client_that_leaves_leaves_what_there_was(tmp_path: Path) -> None:
    asked = trio.Event()

    async def think(_asked: Asked, reply: Reply) -> None:
        asked.set()
        await reply.until_closed()

    async with dumping(tmp_path, think) as here, trio.open_nursery() as nursery:
        nursery.start_soon(ask, here.port)
        await asked.wait()
        nursery.cancel_scope.cancel()
    sent, error = files(tmp_path / "dumps")
    assert orjson.loads(request(sent).body)["input"] == "hello"
    assert error.read_text() == "cancelled before an answer came\n"


async def test_what_is_passed_through_says_its_path(tmp_path: Path) -> None:
    async def store(asked: Asked, reply: Reply) -> None:
        await reply.whole(200, b"\x00\xff" + asked.method.encode())

    large = bytes(range(256)) * 8 * 1024  # more than is sent again
    async with dumping(tmp_path, store) as here:
        await ask(here.port, b"", path="/openai/v1/files/f-1/content", method="GET")
        await ask(here.port, large, path="/openai/files")
    folder = tmp_path / "dumps/openai/passthrough"
    got, posted = sorted({path.name.split(".")[0] for path in files(folder)})
    assert re.fullmatch(r"\d{13}-files-f-1-content-[0-9a-f]{4}", got)
    assert re.fullmatch(r"\d{13}-files-[0-9a-f]{4}", posted)
    assert request(folder / f"{got}.req.txt").headers[-1][0] == "Host"
    assert answer(folder / f"{got}.resp.txt", "GET").body == b"\x00\xffGET"
    told = request(folder / f"{posted}.req.txt")
    assert (told.body, told.header("content-length")) == (large, str(len(large)))


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("../../etc/passwd", "______etc_passwd"),
        ("a/b", "a_b"),
        ("..", "__"),
        (".", "_"),
        ("a\x00b\x1b[31m\n\u202e", "a_b_[31m__"),
        ("x" * 500, "x" * 120),
        ("é" * 300, "é" * 60),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
async def test_a_hostile_model_leads_nowhere(model: str | None, folder: str, tmp_path: Path) -> None:
    async with dumping(tmp_path, say_hello) as here:
        await ask(here.port, {"input": "x", "stream": True} | ({} if model is None else {"model": model}))
    assert {path.parent for path in files(tmp_path) if path.suffix == ".txt"} == {tmp_path / "dumps/openai" / folder}


POOL = "sk-canary-pool/0123456789"
OWN = "sk-canary-own-0123456789"
TOKEN = "token-canary-0123456789"
GATEWAY = "gateway canary 0123456789"
TOKENS = {"alice": Secret(TOKEN)}
PLANTED = (POOL, OWN, TOKEN, GATEWAY)


def spellings(secret: str) -> set[str]:
    """Ways in which JSON, and JSON within JSON, may have it."""
    escaped = "".join(f"\\u{ord(character):04x}" for character in secret)
    forms = {
        secret,
        secret.replace("/", "\\/"),
        escaped,
        secret.replace("-", "\\u002D"),
        secret.replace("0", "\\u0030"),
    }
    return forms | {form.replace("\\", "\\\\") for form in forms}


def leaks(root: Path, planted: Sequence[str]) -> list[str]:
    """Which of the secrets stand in any file, however they are written."""
    texts = {path: path.read_bytes() for path in files(root) if path.suffix == ".txt"}
    assert texts
    found = [
        f"{path.name}: {form}"
        for path, text in texts.items()
        for secret in planted
        for form in {*spellings(secret), base64.b64encode(secret.encode()).decode()}
        if form.encode() in text
    ]
    return [*found, *(f"{path.name}: {name}" for path, text in texts.items() for name in planted if name in str(path))]


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("own", [False, True])
async def test_no_secret_stands_in_a_file(own: bool, size: int, tmp_path: Path) -> None:
    said = " ".join(form for secret in PLANTED for form in sorted(spellings(secret)))

    async def quote(_asked: Asked, reply: Reply) -> None:
        text = b"".join([HELLO[0], b'data: {"type":"x","text":"%b"}\n\n' % said.encode(), *HELLO[1:]])
        told = [
            ("set-cookie", f"a={POOL}"),
            ("www-authenticate", "Basic canary-realm"),
            ("x-quoted", f"a {OWN} {GATEWAY}"),
        ]
        await reply.head(200, [*STREAM, *told])
        for place in range(0, len(text), size):
            await reply.chunk(text[place : place + size])
        await reply.end()

    credential = f"Bearer {OWN}" if own else f"Bearer {TOKEN}"
    sent = [("authorization", credential), ("x-auth-token", "canary-auth-token"), ("x-amz-security-token", POOL)]
    settings = {"extra_headers": {"X-Gateway": GATEWAY, "X-Team": "platform"}, "server": {"client_tokens": TOKENS}}
    async with dumping(tmp_path, quote, (POOL,), **settings) as here:
        body = b'{"model":"m %b","stream":true,"input":"%b"}' % (OWN.encode(), said.encode())
        path = f"/openai/v1/responses?key=canary-key&x={POOL}&token=canary-token&api_key=canary&{GATEWAY[:4]}=1"
        got = await ask(here.port, body, headers=[*sent, ("x-said", f"{POOL} {OWN}")], path=path)
        assert POOL.encode() in got.body  # the client has all of it, untouched
    assert leaks(tmp_path / "dumps", PLANTED if own else [POOL, TOKEN, GATEWAY]) == []
    [asked], [heard] = named(tmp_path, ".req.txt"), named(tmp_path, ".resp.txt")
    told = request(asked)
    orjson.loads(told.body)
    assert told.first.startswith("POST /v1/responses?key=...&x=sk-c...6789&token=...&api_key=...")
    for name in ("authorization", "x-auth-token", "x-amz-security-token", "x-gateway", "x-team"):
        assert re.fullmatch(r".{0,4}\.\.\..{0,4}", told.header(name) or "")
    assert answer(heard).header("set-cookie") == "a=sk...6789"
    assert answer(heard).header("www-authenticate") == "Ba...lm"


async def test_what_is_encoded_is_printed_undone(tmp_path: Path) -> None:
    async def answer_encoded(_asked: Asked, reply: Reply) -> None:
        data = gzip.compress(b'{"id":"r","error":"%b"}' % KEYS[0].encode())
        await reply.whole(200, data, [("content-type", "application/json"), ("content-encoding", "gzip")])

    async with dumping(tmp_path, answer_encoded) as here:
        encoded = gzip.compress(b'{"model":"m","input":"%b"}' % KEYS[0].encode())
        await ask(here.port, encoded, headers=[("content-encoding", "gzip")])
    [asked], [heard] = named(tmp_path, ".req.txt"), named(tmp_path, ".resp.txt")
    assert request(asked).body == b'{\n  "model": "m",\n  "input": "sk-c...0001"\n}\n'
    assert answer(heard).body == b'{"id":"r","error":"sk-c...0001"}'
    assert request(asked).header("content-encoding") is answer(heard).header("content-encoding") is None


@pytest.mark.parametrize(
    "body", [gzip.compress(b"x" * 1000, mtime=0)[:-20], b"\xff" * 100], ids=["cut short", "no gzip"]
)
async def test_what_cannot_be_undone_is_left_out(body: bytes, tmp_path: Path) -> None:
    async def answer_encoded(_asked: Asked, reply: Reply) -> None:
        await reply.whole(200, body, [("content-encoding", "x-unknown")])

    async with dumping(tmp_path, answer_encoded) as here:
        assert (await ask(here.port)).body == body
    [heard] = named(tmp_path, ".resp.txt")
    assert answer(heard).body == b""


async def test_show_prints_them(tmp_path: Path) -> None:
    upstream = FatedProvider({KEYS[0]: LIMITED})
    async with dumping(tmp_path, upstream, KEYS) as here:
        await ask(here.port, BODY)
        await ask(here.port, b"", path="/openai/v1/models", method="GET")
        ids = [event.id for event in here.events("interception.started")]
    (tmp_path / "config.toml").write_text(f'[record]\ndump_dir = "{tmp_path / "dumps"}"\n')
    for interception, beginning, count in zip(ids, (ids[0], f"models-{ids[1][:4]}."), (4, 2), strict=True):
        printed = (await trio.to_thread.run_sync(run, tmp_path, "show", interception[:8], "--raw")).stdout_bytes
        shown = [path.read_bytes() for path in files(tmp_path / "dumps") if beginning in path.name]
        assert printed.count(b"==> ") == len(shown) == count
        assert all(text in printed for text in shown)
        assert printed.index(b".req.txt") < printed.index(b".resp.txt")


async def test_show_says_why_there_is_nothing_to_print(tmp_path: Path) -> None:
    async with dumping(tmp_path, say_hello) as here:
        await ask(here.port)
        [event] = here.events("interception.started")
    shown = await trio.to_thread.run_sync(run, tmp_path, "show", event.id, "--raw")
    assert "record.dump_dir" in str(shown.exception)
    (tmp_path / "config.toml").write_text(f'[record]\ndump_dir = "{tmp_path / "elsewhere"}"\n')
    shown = await trio.to_thread.run_sync(run, tmp_path, "show", event.id, "--raw")
    assert f"no dump of {event.id}" in str(shown.exception)


async def test_the_monitor_reads_them_harmless_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(interception: str) -> str:
        options = ["--config", str(tmp_path / "config.toml"), "--data-dir", str(tmp_path)]
        return asyncio.run(dump.read(interception, options))

    async def clear_the_screen(_asked: Asked, reply: Reply) -> None:
        await reply.whole(200, b"\x1b[2Jwhat came")

    async with dumping(tmp_path, clear_the_screen) as here:
        await ask(here.port, BODY)
        [event] = here.events("interception.started")
    (tmp_path / "config.toml").write_text(f'[record]\ndump_dir = "{tmp_path / "dumps"}"\n')
    text = await trio.to_thread.run_sync(read, event.id)
    assert "\u241b[2Jwhat came" in text
    assert '"number": 1.0e3' in text
    monkeypatch.setattr(dump, "LIMITS", evolve(LIMITS, paged_dump_bytes=100))
    assert (await trio.to_thread.run_sync(read, event.id)).endswith(f"more: clearspan show {event.id} --raw\n")
    with pytest.raises(dump.DumpUnavailable, match="no interception"):
        await trio.to_thread.run_sync(read, "0123abcd")


async def test_a_folder_that_cannot_be_written_costs_dumps_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    async with dumping(tmp_path, say_hello, dump_dir=tmp_path / "file/dumps") as here:
        for _ in range(3):
            assert (await ask(here.port)).body == b"".join(HELLO)
        await until(lambda: here.bridge.dumps is not None and here.bridge.dumps.failed == 3)
        assert (await metric(here, "dumps_failed_total"), await metric(here, "dumps_total")) == (3, 0)
        (tmp_path / "file").unlink()
        await ask(here.port)
        await until(lambda: here.bridge.dumps is not None and here.bridge.dumps.written == 1)
    log = capsys.readouterr().out
    assert (log.count("a dump can't be written"), log.count("dumps are written again")) == (1, 1)
    assert len(files(tmp_path / "file/dumps")) == 2


async def test_a_disk_that_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(sheet, "write_file", lambda *_: goes_on.wait() and 0)
    monkeypatch.setattr(dumps_queue, "LIMITS", evolve(LIMITS, dump_steps=20))
    try:
        async with dumping(tmp_path, say_hello) as here:
            for _ in range(10):
                assert (await ask(here.port)).body == b"".join(HELLO)
            assert here.bridge.dumps is not None
            assert here.bridge.dumps.failed >= 5
    finally:
        goes_on.set()


async def test_a_disk_that_is_full_costs_dumps_alone(tmp_path: Path) -> None:
    async def pour(_asked: Asked, reply: Reply) -> None:
        await reply.whole(200, b"x" * 300_000)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with provider(pour) as url:
        record = RecordSettings(path=None, dump_dir=tmp_path / "dumps")
        async with world(url, record=record) as here:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
            try:
                assert len((await ask(here.port)).body) == 300_000
                await until(lambda: here.bridge.dumps is not None and here.bridge.dumps.failed == 1)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name[-8:] for path in files(tmp_path)] == [".req.txt"]


async def test_a_dump_larger_than_all_may_be_is_given_up(tmp_path: Path) -> None:
    async def pour(_asked: Asked, reply: Reply) -> None:
        await reply.whole(200, b"x" * 300_000)

    async with dumping(tmp_path, pour, dump_max_bytes=Size(200_000)) as here:
        assert len((await ask(here.port)).body) == 300_000
    assert named(tmp_path, ".resp.txt") == []
    assert here.bridge.dumps is not None
    assert here.bridge.dumps.failed == 1


async def test_the_oldest_go_when_they_take_too_much(tmp_path: Path) -> None:
    async with dumping(tmp_path, say_hello, dump_max_bytes=Size(6000)) as here:
        for number in range(12):
            await ask(here.port, {"model": f"m{number}", "input": "x" * 300, "stream": True})
        await until(lambda: here.bridge.dumps is not None and here.bridge.dumps.written == 12)
        await until(lambda: sum(path.stat().st_size for path in files(tmp_path / "dumps")) <= 6000)
        left = [path.parent.name for path in files(tmp_path / "dumps")]
        assert "m11" in left
        assert "m0" not in left
        assert not (tmp_path / "dumps/openai/m0").exists()


async def test_what_is_old_goes_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "dumps/openai/m"
    folder.mkdir(parents=True)
    old = [folder / f"1600000000000-{number}.req.txt" for number in range(3)] + [
        folder / "1600000000000-1.resp.txt.part"
    ]
    others = [folder / "notes.txt", tmp_path / "dumps/1600000000000-1.req.txt", tmp_path / "1600000000000-1.req.txt"]
    for path in (*old, *others):
        path.write_text("x")
    (folder.parent / "linked").symlink_to(tmp_path)
    async with dumping(tmp_path, say_hello, dump_keep=Seconds(3600)) as here:
        await ask(here.port)
        await until(lambda: not any(path.exists() for path in old))
    assert all(path.exists() for path in others)
    assert len(named(folder, ".txt")) == 3


async def test_without_a_folder_nothing_is_dumped_and_nothing_is_loaded() -> None:
    async with provider(say_hello) as url, world(url) as here:
        await ask(here.port)
        openai = here.bridge.providers["openai"]
        assert here.bridge.dumps is None
        assert isinstance(openai.attempt("x", CALL, redactor), type(openai.upstream.attempt(CALL)))
    loaded = "import sys, bridge.server; sys.exit(any(name.startswith('bridge.observe.dumps') for name in sys.modules))"
    done = await trio.run_process([sys.executable, "-c", loaded], check=False)
    assert done.returncode == 0
