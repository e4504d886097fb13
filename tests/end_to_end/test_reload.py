"""A changed configuration under a running bridge (`bridge.config.reload`)."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
import trio
import trio.testing

from bridge.config import reload
from bridge.config.load import Loaded, Options, load
from bridge.config.reload import fixed_settings, follow_configuration
from bridge.config.settings import Settings
from tests.support.command_line import COMMAND, Running, home
from tests.support.scrape import metric
from tests.support.served import served, stop
from tests.support.until import until
from tests.support.world import HELLO, KEYS, STREAM, Asked, Reply, World, ask, provider, say_hello, world


def write(file: Path, url: str, keys: tuple[str, ...], more: str = "") -> None:
    """Writes a configuration, as an editor does: a new file in the place of the old."""
    listed = ", ".join(f'"{key}"' for key in keys)
    new = file.with_suffix(".new")
    new.write_text(f'{more}\n[providers.openai]\ntype = "openai"\nbase_url = "{url}"\nkeys = [{listed}]\n')
    new.replace(file)


@asynccontextmanager
async def followed(here: World, file: Path) -> AsyncIterator[Callable[[], Loaded]]:
    """Follows a file while the block runs."""

    def read() -> Loaded:
        return load(Options(config=file), {})

    async with trio.open_nursery() as nursery:
        refused = here.bridge.reconfiguration_refused
        nursery.start_soon(follow_configuration, here.bridge.reconfigure, read, read(), refused)
        await trio.testing.wait_all_tasks_blocked()
        yield read
        nursery.cancel_scope.cancel()


def hints(here: World) -> list[str]:
    """The keys that a new subscriber would see."""
    return [key.key for key in here.bridge.hub.snapshot().keys]


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "LOOK_S", 0.01)


async def test_keys_come_and_go_without_dropping_a_stream(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    begun, go_on = trio.Event(), trio.Event()
    seen: list[str] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append(asked.key)
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0] + HELLO[1])
        if len(seen) == 1:
            begun.set()
            await go_on.wait()
        await reply.chunk(HELLO[2])
        await reply.end()

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        write(file, url, KEYS[:2])
        async with followed(here, file), trio.open_nursery() as nursery:
            bodies: list[bytes] = []

            async def first() -> None:
                bodies.append((await ask(here.port)).body)

            nursery.start_soon(first)
            await begun.wait()
            write(file, url, KEYS[1:])
            await until(lambda: hints(here) == ["sk-c...0002", "sk-c...0003"])
            await ask(here.port)
            go_on.set()
    assert bodies == [b"".join(HELLO)]
    assert seen == [KEYS[0], KEYS[1]]


@pytest.mark.parametrize("fault", ["not toml [", "[server]\nport = 'x'"])
async def test_a_bad_file_is_refused_and_the_old_settings_stay(
    tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    async with provider(say_hello) as url, world(url, KEYS[:1]) as here:
        write(file, url, KEYS[:1])
        async with followed(here, file):
            write(file, url, KEYS[1:2], fault)
            told = ""
            with trio.fail_after(10):
                while "refused" not in told:
                    await trio.sleep(0.005)
                    told += capsys.readouterr().out
            assert (await ask(here.port)).status == 200
            assert hints(here) == ["sk-c...0001"]
            assert await metric(here, "config_last_reload_success") == 0
            write(file, url, KEYS[1:2])
            await until(lambda: hints(here) == ["sk-c...0002"])
            assert await metric(here, "config_last_reload_success") == 1


async def test_sighup_reads_an_unchanged_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "LOOK_S", 3600)
    file = tmp_path / "config.toml"
    key_file = tmp_path / "key"
    key_file.write_text(KEYS[0])
    key_file.chmod(0o600)
    async with provider(say_hello) as url, world(url, KEYS[:1]) as here:
        write(file, url, (f"file:{key_file}",))
        async with followed(here, file):
            key_file.write_text(KEYS[1])
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: hints(here) == ["sk-c...0002"])


async def test_a_file_that_is_being_written_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor that empties a file first: neither a look nor a SIGHUP in between leaves the bridge without keys."""
    file = tmp_path / "config.toml"
    write(file, "http://127.0.0.1:1/v1", KEYS[:1])
    taken: list[int] = []
    looks = 0
    settled = trio.Event()

    def stamp(path: Path) -> tuple[int, int, int]:
        """Another at every look while it is written."""
        nonlocal looks
        looks += 1
        status = path.stat()
        return (0 if settled.is_set() else looks, status.st_size, status.st_ino)

    def read() -> Loaded:
        loaded = load(Options(config=file), {})
        if not settled.is_set():  # half of it is read, then comes the rest
            write(file, "http://127.0.0.1:1/v1", KEYS[:2])
        return loaded

    def reconfigure(settings: Settings) -> None:
        taken.append(len(settings.providers["openai"].keys))

    first = load(Options(config=file), {})
    monkeypatch.setattr(reload, "_stamp", stamp)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow_configuration, reconfigure, read, first)
        await until(lambda: looks > 1)
        file.write_text("")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: file.stat().st_size > 0)
        await until(lambda: looks > 5)
        assert taken == []
        settled.set()
        await until(lambda: taken == [2])
        nursery.cancel_scope.cancel()


async def test_providers_come_move_and_go(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"

    async def elsewhere(_: Asked, reply: Reply) -> None:
        await reply.whole(418, b"elsewhere")

    async with provider(say_hello) as url, provider(elsewhere) as other, world(url, KEYS[:1]) as here:
        write(file, url, KEYS[:1])
        async with followed(here, file):
            write(file, other, KEYS[:1])
            with trio.fail_after(10):
                while (await ask(here.port)).status != 418:
                    pass
            file.write_text('[providers.new]\ntype = "anthropic"\nkeys = ["sk-other-key-0000000000"]')
            with trio.fail_after(10):
                while (await ask(here.port)).status != 404:
                    pass
            assert [(key.provider, key.key) for key in here.bridge.hub.snapshot().keys] == [("new", "sk-o...0000")]


def test_what_can_not_change_is_named(tmp_path: Path) -> None:
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    write(old, "http://127.0.0.1:1/v1", KEYS)
    write(new, "http://127.0.0.1:2/v1", KEYS[1:], "[server]\nport = 1\n[record]\npath = 'off'")
    settings = [load(Options(config=file), {}).settings for file in (old, new)]
    assert fixed_settings(*settings) == ["server.port", "record"]


async def test_a_pipe_in_the_place_of_the_file_holds_nothing_up(tmp_path: Path) -> None:
    """Nobody writes into it: whoever opened it would wait for ever."""
    with (tmp_path / "log").open("ab") as log:
        async with provider(say_hello) as url, served(tmp_path, url.removesuffix("/v1"), log=log.fileno()) as bridge:
            (tmp_path / "config.toml").unlink()
            os.mkfifo(tmp_path / "config.toml")
            bridge.process.send_signal(signal.SIGHUP)
            await until(lambda: "it is no regular file" in (tmp_path / "log").read_text())
            assert (await ask(bridge.port)).status == 200
            await stop(bridge)


async def test_a_configuration_that_can_be_read_only_once_stays() -> None:
    """`--config <(...)`: the second time there is nothing in it, which is a valid configuration without keys."""
    async with provider(say_hello) as url, trio.open_nursery() as nursery:
        with home() as here:
            text = (
                f'[server]\nport = 0\n[providers.openai]\ntype = "openai"\nbase_url = "{url}"\nkeys = ["{KEYS[0]}"]\n'
            )
            process = await trio.lowlevel.open_process(
                [*COMMAND, "serve", "--config", "/dev/stdin"],
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=here.environment,
            )
            bridge = Running(process)
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            async with process.stdin, process.stdout, process.stderr:
                nursery.start_soon(bridge.collect, process.stdout, bridge.out)
                nursery.start_soon(bridge.collect, process.stderr, bridge.err)
                try:
                    await process.stdin.send_all(text.encode())
                    await process.stdin.aclose()
                    await bridge.says("\n")
                    port = int(bridge.lines[0].rpartition(":")[2])
                    await until(lambda: b"is read only once" in bridge.err)
                    process.send_signal(signal.SIGHUP)
                    await until(lambda: b"the changed configuration is refused" in bridge.err)
                    assert (await ask(port)).status == 200
                    assert await bridge.ends(signal.SIGTERM) == 0
                finally:
                    process.kill()
