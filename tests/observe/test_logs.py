"""Log lines: well-formed, one a record, and without secrets however these came in."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.keys.secret import Secret
from bridge.observe import logs
from bridge.observe.secret_values import can_be_secret
from tests.support.log_setup import logging_put_back

CANARY = "sk-canary-log-0123456789"
ODD = """sk-'odd"\\key\\n{}%s<&>`$-0123456789"""


LOCAL = ("local", "value")


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """What is set up for logging is the process's: put back as it was."""
    with logging_put_back():
        secrets = [Secret(CANARY), Secret(ODD), Secret(CANARY + "-longer")]
        logs.redactor.learn((secret.reveal(), secret.hint) for secret in secrets)
        yield


def spell(key: str) -> list[str]:
    """The ways in which a line may show a key."""
    return [key, json.dumps(key)[1:-1], repr(key)[1:-1], repr(key.encode())[2:-1], orjson.dumps(key).decode()[1:-1]]


def refuse(text: str) -> None:
    raise ValueError(f"Illegal header value b'Bearer {text}'")


def fail(text: str) -> None:
    try:
        refuse(text)
    except ValueError as error:
        raise RuntimeError(text) from error


def talk(key: str) -> None:
    """Says a key in every way that a careless line of code may."""
    log = logs.logger("test")
    log.debug(key)
    log.info("info", key=key, nested={"a": [key, {"b": key}]}, raw=key.encode())
    log.warning("warning", error=ValueError(key))
    try:
        fail(key)
    except RuntimeError:
        log.exception("failed", key=key)
        logging.getLogger("some.library").exception("failed with %r", key)
    logging.getLogger("httpx").warning("GET %s", f"http://x/?key={key}")
    logging.getLogger("httpx").info("not at all %s", key)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("key", [CANARY, ODD])
def test_no_line_holds_a_key(form: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", form)
    talk(key)
    out, said = capsys.readouterr()
    assert out == ""
    for spelling in spell(key):
        assert spelling not in said
    assert said.count(Secret(key).hint) >= 10
    assert "RuntimeError" in said
    assert "not at all" not in said


def test_a_traceback_shows_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "json"):
        logs.configure("debug", form)
        try:
            fail("-".join(LOCAL))
        except RuntimeError as error:
            error.args = ("no words",)
            logs.logger("test").error("failed", exc_info=error)
        said = capsys.readouterr().err
        assert "RuntimeError: no words" in said
        assert said.count("local-value") == 1  # in the first error's own words


def test_the_longer_of_two_keys_is_masked_whole(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "text")
    logs.logger("test").info("<%s-longer> <%s>", CANARY, CANARY)
    assert "<sk-c...nger> <sk-c...6789>" in capsys.readouterr().err


def test_json_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "json")
    talk(CANARY)
    talk(ODD)
    logs.logger("test").info("half a character \ud83d, ESC \x1b[2J, \n a line", bad=b"\xff", more={1: object()})
    lines = capsys.readouterr().err.splitlines()
    said = [json.loads(line) for line in lines]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in said)
    assert said[0]["part"] == "test"
    assert lines[-1].isascii()
    assert lines[-1].isprintable()


@pytest.mark.parametrize("text", ["/\x1b]52;c;x\x07", "a\x1b[2Jb c", "\u202e", "a\nb\r", "\x9b31m", "\ud83d"])
def test_a_text_line_sends_nothing_to_the_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "text")
    logs.logger("test").info("request", path=text, nested=[text])
    logs.logger("test").info(text)
    logging.getLogger("some.library").warning(text)
    try:
        fail(text)
    except RuntimeError:
        logs.logger("test").exception("failed")
    said = capsys.readouterr().err
    assert all(line.isprintable() for line in said.split("\n"))
    assert [line[:2] for line in said.split("\n")[:4]] == ["20"] * 4  # each begins with its time


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_a_level_hides_what_is_below(level: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert level in logs.LEVELS
    logs.configure(level)
    for say in ("debug", "info", "warning", "error"):
        getattr(logs.logger("test"), say)("said")
    assert capsys.readouterr().err.count("said") == count


def test_a_log_file_is_made_with_its_folder_and_appended_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "data" / "clearspan.log"
    for number in range(2):
        logs.configure("info", "json", file)
        logs.logger("test").info("said", number=number, key=CANARY)
    assert [json.loads(line)["number"] for line in file.read_text().splitlines()] == [0, 1]
    assert CANARY not in file.read_text()
    assert capsys.readouterr() == ("", "")


KEYS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=8, max_size=40
).filter(can_be_secret)


@given(st.lists(KEYS, min_size=1, max_size=3), st.data())
def test_whatever_the_key_no_spelling_of_it_stays(keys: list[str], data: st.DataObject) -> None:
    redactor = logs.Redactor()
    redactor.learn((key, "...") for key in keys)
    key = data.draw(st.sampled_from(keys))
    for spelling in spell(key):
        assert key not in redactor.redact(f"<< {spelling} >> << {spelling} >>")
        assert spelling not in redactor.redact(f"<< {spelling} >>")
