"""Where keys come from, and what is said of a source that gives none: never the key, nor what may open its store."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config import key_sources
from bridge.config.key_sources import SourceError, from_list, resolve, variables

SECRET = "sk-canary-source-0123456789"


def keys(source: str, environment: dict[str, str] | None = None) -> list[str]:
    return [key.reveal() for key in resolve(source, environment or {})]


def fault(source: str, environment: dict[str, str] | None = None) -> str:
    """Why a source gives no key; never with a key in it."""
    with pytest.raises(SourceError) as caught:
        resolve(source, environment or {})
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "openai.key"
    file.touch(0o600)
    return file


@pytest.mark.parametrize("value", [SECRET, "a:b", "https:x", "Env:X", "x", "sk-'\"\\{}"])
def test_what_names_no_source_is_the_key_itself(value: str) -> None:
    assert keys(value) == [value]


def test_a_variable_may_hold_several_keys() -> None:
    assert keys("env:K", {"K": SECRET}) == [SECRET]
    assert keys("env:K", {"K": f"{SECRET}, b ,c\n"}) == [SECRET, "b", "c"]


@pytest.mark.parametrize(
    ("source", "environment", "told"),
    [
        ("env:K", {}, "the environment variable K is not set"),
        ("env:K", {"K": ""}, "the environment variable K: the key is empty"),
        ("env:K", {"K": f"{SECRET},,b"}, "the environment variable K: the key is empty"),
        ("env:K", {"K": f"{SECRET}\x1b"}, "the environment variable K: the key has a control character at position 28"),
        ("env:K", {"K": f"{SECRET} {SECRET}"}, "the environment variable K: the key has whitespace at position 28"),
        ("env:K", {"K": f"{SECRET}\udcff"}, "the environment variable K: the key has a non-ASCII character"),
        ("env:", {}, "what follows 'env:' is no name of an environment variable"),
        (f"env:{SECRET}", {}, "what follows 'env:' is no name of an environment variable"),
        ("env:$K", {"K": SECRET}, "what follows 'env:' is no name of an environment variable"),
        ("", {}, "the value in the configuration: the key is empty"),
        (f"{SECRET}\n", {}, "the value in the configuration: the key has whitespace at position 28 of 28"),
        (f"{SECRET}\0", {}, "the value in the configuration: the key has a control character"),
        (f"{SECRET}\u2028", {}, "the value in the configuration: the key has a non-ASCII character"),
    ],
)
def test_what_a_bad_value_is_told_by(source: str, environment: dict[str, str], told: str) -> None:
    assert fault(source, environment).startswith(told)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SECRET, [SECRET]),
        (f"{SECRET}\n", [SECRET]),
        (f"# mine\n\n{SECRET}\n#{SECRET}\nsecond\n", [SECRET, "second"]),
        (f"{SECRET}\r\nsecond\r\n", [SECRET, "second"]),
        (f"\ufeff{SECRET}\n", [SECRET]),
        ("a,b", ["a,b"]),
    ],
)
def test_a_file_holds_a_key_a_line(key_file: Path, text: str, expected: list[str]) -> None:
    key_file.write_bytes(text.encode())
    assert keys(f"file:{key_file}") == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "holds no key"),
        (b"# nothing\n\n", "holds no key"),
        (f"# x\n{SECRET} \n".encode(), f"line 2: the key has whitespace at position {len(SECRET) + 1}"),
        (f"good\n\n{SECRET}\tx\n".encode(), "line 3: the key has whitespace"),
        (f"{SECRET}\x0bmore\n".encode(), "line 1: the key has whitespace"),
        (f"{SECRET}\x1cmore\n".encode(), "line 1: the key has a control character"),
        (f"{SECRET}\u2028more\n".encode(), "line 1: the key has a non-ASCII character"),
        (b"\xff" + SECRET.encode(), "it is not UTF-8 text"),
    ],
)
def test_what_a_bad_file_is_told_by(key_file: Path, text: bytes, told: str) -> None:
    key_file.write_bytes(text)
    said = fault(f"file:{key_file}")
    assert str(key_file) in said
    assert told in said


@pytest.mark.parametrize(
    ("mode", "is_refused"), [(0o600, False), (0o400, False), (0o640, True), (0o644, True), (0o604, True), (0o620, True)]
)
def test_a_file_that_others_can_open_is_refused(key_file: Path, mode: int, is_refused: bool) -> None:
    key_file.write_text(SECRET)
    key_file.chmod(mode)
    if is_refused:
        assert fault(f"file:{key_file}") == (
            f"{key_file} is open to other users (mode {mode:o}); run 'chmod 600 {key_file}'"
        )
    else:
        assert keys(f"file:{key_file}") == [SECRET]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(key_file: Path) -> None:
    key_file.write_text(SECRET)
    os.chown(key_file, 12345, 12345)
    assert fault(f"file:{key_file}") == f"{key_file} belongs to another user"


def test_a_file_begins_at_home(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(key_file.parent))
    key_file.write_text(SECRET)
    assert keys("file:~/openai.key") == [SECRET]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("file:/nowhere/at/all", "cannot read /nowhere/at/all: No such file or directory"),
        ("file:/", "/ is no regular file"),
        ("file:~no-such-user/x", "what follows 'file:' is no path"),
        ("file:a\0b", "what follows 'file:' is no path"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(source: str, told: str) -> None:
    assert fault(source) == told


def python(code: str) -> str:
    """A command that runs this code; it must not hold double quotes."""
    return f'cmd:{sys.executable} -c "{code}"'


@pytest.mark.parametrize("ending", ["", r"\n", r"\r\n"])
def test_a_command_prints_its_key(ending: str) -> None:
    assert keys(python(f"print('{SECRET}', end='{ending}')")) == [SECRET]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (f"print('{SECRET}'); raise SystemExit(3)", "failed with exit code 3"),
        (f"raise RuntimeError('{SECRET}')", "failed with exit code 1"),
        ("pass", "the key is empty"),
        (f"print('{SECRET}\\n{SECRET}')", "the key has whitespace at position 28"),
        ("import sys; sys.stdout.buffer.write(bytes([255]))", "its output is not text"),
    ],
)
def test_what_a_bad_command_is_told_by(code: str, told: str) -> None:
    said = fault(python(code))
    assert f"the command {sys.executable!r}" in said
    assert told in said


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (f"cmd:no-such-command-anywhere {SECRET}", "cannot run the command 'no-such-command-anywhere': No such file"),
        ("cmd:", "cannot run 'cmd:': there is none"),
        (f"cmd:echo '{SECRET}", "cannot run 'cmd:': it is not well-formed"),
        ("cmd:ec\0ho", "cannot run the command 'ec\\x00ho': it is not well-formed"),
    ],
)
def test_a_command_that_cannot_run_is_told(source: str, told: str) -> None:
    assert fault(source).startswith(told)


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sources, "COMMAND_S", 0.05)
    assert fault(python("import time; time.sleep(60)")).startswith(
        f"cannot run the command {sys.executable!r}: it took"
    )


def test_a_command_gets_no_keys_but_what_opens_its_store() -> None:
    ours = {
        "PATH": os.environ["PATH"], "HOME": "/home/me", "VAULT_TOKEN": SECRET, "OPENAI_API_KEY": SECRET, "WORK": SECRET,
        "ANTHROPIC_API_KEYS": SECRET, "GITHUB_TOKEN": SECRET, "CLIENT_SECRET": SECRET, "CLEARSPAN_HOST": "x",
    }  # fmt: skip
    named = variables('keys = ["env:WORK", "env:OTHER_1"]')
    assert named == {"WORK", "OTHER_1"}
    (printed,) = resolve(python("import os; print(*sorted(os.environ), sep=':')"), ours, named)
    assert set(printed.reveal().split(":")) - {"LC_CTYPE", "PWD", "_"} == {"PATH", "HOME", "VAULT_TOKEN"}


def test_a_command_has_nobody_to_ask_and_no_session_of_ours() -> None:
    code = "import os, sys; print(sys.stdin.read() + str(os.getpgid(0) == os.getpid()) + str(os.getsid(0)))"
    (printed,) = keys(python(code))
    assert printed.startswith("True")
    assert printed != f"True{os.getsid(0)}"


def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """A child that holds the output is not waited for; it is killed."""
    script = tmp_path / "leaves"
    script.write_text(f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/left\necho {SECRET}\n")
    script.chmod(0o700)
    assert keys(f"cmd:{script}") == [SECRET]
    status = Path(f"/proc/{int((tmp_path / 'left').read_text())}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_command_that_prints_without_end_is_given_up() -> None:
    assert "it printed more than 65536 bytes" in fault("cmd:yes")


@given(st.lists(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1)))
def test_a_list_gives_its_keys_in_order(values: list[str]) -> None:
    if values:
        assert [key.reveal() for key in from_list(",".join(values), "here")] == values


@given(st.text(min_size=6).map("sk-{}".format), st.sampled_from(["", "env:"]))
def test_no_message_shows_what_may_be_a_key(value: str, kind: str) -> None:
    try:
        resolve(kind + value, {})
    except SourceError as error:
        told = str(error)
    else:
        return
    assert value not in told
