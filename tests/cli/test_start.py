"""What a start loads, and what it leaves for later. How long it takes is for `scripts/bench start`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.generated_record import identity, make_record

SHOW = "import sys; print(*sys.modules)"


def loaded_by(code: str) -> set[str]:
    """The modules of a process of its own that ran this."""
    ran = subprocess.run([sys.executable, "-P", "-c", f"{code}\n{SHOW}"], capture_output=True, text=True, check=True)  # noqa: S603  # our own code
    return set(ran.stdout.splitlines()[-1].split())


def command(*words: str) -> str:
    """Code that runs a command."""
    return f"""
import sys
sys.argv = ["clearspan", *{words!r}]
from bridge.__main__ import main
try:
    main()
except SystemExit:
    pass
"""


def test_the_version_waits_for_nothing() -> None:
    loaded = loaded_by(command("--version"))
    assert not loaded & {"trio", "cattrs", "attrs", "structlog", "orjson", "platformdirs", "sqlite3"}


@pytest.mark.parametrize("words", [("history", "--config", "/nowhere"), ("keys", "--config", "/nowhere")])
def test_short_commands_wait_for_no_server(words: tuple[str, ...]) -> None:
    assert not loaded_by(command(*words)) & {"trio", "structlog", "httpx", "hypercorn", "textual"}


@pytest.mark.parametrize("words", [("history",), ("show", identity(0)), ("export", identity(0))])
def test_the_past_waits_for_no_settings(words: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.touch()
    make_record(tmp_path / "clearspan.db", 10)
    loaded = loaded_by(command(*words, "--config", str(file), "--data-dir", str(tmp_path)))
    assert "bridge.record.history" in loaded
    assert not loaded & {"bridge.config.load", "bridge.config.settings", "bridge.providers.kinds", "cattrs", "trio"}


def test_who_is_told_the_socket_waits_for_no_settings() -> None:
    loaded = loaded_by(command("keys", "--socket", "/nowhere"))
    assert "bridge.cli.key_tables" in loaded
    assert not loaded & {
        "bridge.events.names",
        "bridge.config.load",
        "bridge.config.settings",
        "bridge.providers.kinds",
    }


def test_the_past_is_read_without_the_events() -> None:
    loaded = loaded_by("import bridge.cli.tables, bridge.record.history, bridge.record.names, bridge.record.export")
    assert not loaded & {"trio", "bridge.events.wire", "bridge.events.picture", "bridge.events.entries"}


def test_a_bridge_leaves_out_what_its_libraries_would_load_for_others() -> None:
    left_out = {"rich", "h2.connection", "priority", "hypercorn.trio.run", "importlib.metadata", "genai_prices"}
    left_out |= {"brotli", "backports.zstd", "compression.zstd"}
    left_out |= {"mcp", "mcp_types", "httpx2", "pydantic", "bridge.tools.servers"}
    left_out |= {"asyncio", "h2.events", "http.cookiejar", "http.server", "hypercorn.protocol.ws_stream", "wsproto"}
    assert loaded_by("import bridge.cli.serve, bridge.server") & left_out == set()


def test_what_was_left_out_can_be_had_afterwards() -> None:
    code = """
import bridge.server, rich, h2, asyncio, httpx, prometheus_client
from hypercorn.trio import serve
from hypercorn.protocol.ws_stream import WSStream
assert serve and WSStream.__module__ == "hypercorn.protocol.ws_stream"
assert asyncio.run(asyncio.sleep(0, True))
assert httpx.Client().cookies.jar is not None
assert prometheus_client.generate_latest() is not None
"""
    assert {"rich", "h2", "h2.events", "hypercorn.trio.run", "hypercorn.protocol.h2", "wsproto"} <= loaded_by(code)


def test_a_library_that_is_there_already_stays() -> None:
    loaded_by("import rich, hypercorn.trio as before\nimport bridge.server, hypercorn.trio as after, rich as still")
    loaded_by("import hypercorn.trio as before, bridge.server, hypercorn.trio as after\nassert before is after")


def test_a_missing_package_is_named() -> None:
    code = """
from bridge.process.imports import without_init
try:
    with without_init("no_such_package"):
        pass
except ImportError as error:
    assert "no_such_package is not installed" in str(error)
else:
    raise SystemExit("not told")
"""
    loaded_by(code)


def test_what_is_unused_says_so_where_it_is_called() -> None:
    code = """
import json
from bridge.process.imports import unused
with unused("no_such_module", "json"):
    from no_such_module import Anything
    from json import loads  # which is there already
assert loads("[]") == [] and not isinstance(1, Anything)
try:
    Anything(1)
except RuntimeError as error:
    assert "no_such_module.Anything was left out" in str(error)
else:
    raise SystemExit("not told")
try:
    import no_such_module
except ImportError:
    pass
else:
    raise SystemExit("still there")
"""
    loaded_by(code)


def test_the_collector_looks_as_usual_once_all_is_loaded() -> None:
    code = """
import gc
from bridge.process import garbage
usual = gc.get_threshold()
frozen = gc.get_freeze_count()  # from Python 3.12 on the interpreter freezes what it starts with
garbage.end_of_loading()
assert gc.get_freeze_count() == frozen  # nothing to end
garbage.spare_loading()
assert gc.get_threshold()[0] > usual[0]
garbage.end_of_loading()
assert gc.get_threshold() == usual and gc.get_freeze_count() > frozen
"""
    loaded_by(code)
