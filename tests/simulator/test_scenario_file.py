"""Scenario files: what they can say, and how their faults are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.simulator.answers import HiddenThought, Mishap, ScriptedThought, ScriptedUsage, Silence, Text, ToolCall
from bridge.simulator.fates import OK, parse_fates
from bridge.simulator.request import Trouble
from bridge.simulator.scenario.file import ScenarioError, load_scenario, parse_scenario

WHOLE = """
turns = ["a", "b"]
after_tools = ["b"]
other_keys = ["401"]

[pace]
first_token = 0
tokens_per_second = 100

[[rules]]
when = "(?i)flaky"
answers = ["b"]

[[keys]]
key = "sk-first"
fates = ["ok*2", "429:7"]
cycle = true
requests = 5
tokens = 1000
per = 10

[answers.a]
parts = [
  { thought = "Hm." }, { hidden = 40 }, { omitted = 40 },
  { call = "f", arguments = { x = [1, { y = "z" }] } }, { call = "g", arguments = "free" },
  { text = "So." },
]
usage = { input = 10, output = 5 }
mishap = { silence = { seconds = 1.5, at = "opening" }, slow = 3, dropped = 0 }

[answers.b]
parts = [{ text = "B." }]
mishap = { error = { code = "rate_limit_exceeded", message = "Slow down.", at = 3, nested = true } }
"""


def test_a_file_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "whole.toml"
    path.write_text(WHOLE)
    scenario = load_scenario(path)
    assert scenario.turns == ("a", "b")
    assert scenario.rules[0].when.search("a FLAKY test")
    assert scenario.other_keys[0].refusal is not None
    (key,) = scenario.keys
    assert (key.key, key.cycle, key.requests, key.tokens, key.per) == ("sk-first", True, 5, 1000, 10.0)
    assert key.fates[:2] == (OK, OK)
    assert len(key.fates) == 3
    a = scenario.answers["a"]
    assert a.parts == (
        ScriptedThought("Hm."),
        HiddenThought(40),
        HiddenThought(40, omitted=True),
        ToolCall("f", {"x": [1, {"y": "z"}]}),
        ToolCall("g", "free"),
        Text("So."),
    )
    assert a.usage == ScriptedUsage(input=10, output=5)
    assert a.mishap == Mishap(silence=Silence(1.5, "opening"), slow=3.0, dropped=0)
    error = scenario.answers["b"].mishap.error
    assert error is not None
    assert (error.at, error.nested) == (3, True)


def test_a_key_is_not_shown() -> None:
    assert "sk-first" not in repr(parse_scenario(WHOLE, "test"))


ANSWER = '[answers.a]\nparts = [{ text = "A." }]\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("turns = [", "f.toml: not valid TOML: Invalid value (at end of document)"),
        (ANSWER, "f.toml: turns: 'turns' is missing"),
        ('turns = "a"\n' + ANSWER, "f.toml: turns: should be a list, not 'a'"),
        ("turns = []\n" + ANSWER, "turns"),
        ('turns = ["x"]\n' + ANSWER, "f.toml: there is no answer named 'x'; there are a"),
        ('turns = ["a"]\nturn = 1\n' + ANSWER, "f.toml: unknown setting 'turn'; here may stand: answers, turns,"),
        ('turns = ["a"]\n[answers.a]\nparts = [{ txt = "A." }]', "f.toml: answers['a'].parts[0]: a part is one of"),
        ('turns = ["a"]\n[answers.a]\nparts = [{ text = "A.", thought = "B." }]', "this has text, thought"),
        ('turns = ["a"]\n[answers.a]\nparts = [5]', "f.toml: answers['a'].parts[0]: should be a table, not 5"),
        ('turns = ["a"]\n' + ANSWER + "mishap = { slow = 0 }", "f.toml: answers['a'].mishap: 'slow' must be > 0: 0.0"),
        (
            'turns = ["a"]\n' + ANSWER + "mishap = { dropped = true }",
            "mishap.dropped: should be a whole number, not True",
        ),
        ('turns = ["a"]\n' + ANSWER + "mishap = { failed = {}, error = {} }", "an answer ends only one way"),
        ('turns = ["a"]\n' + ANSWER + 'mishap = { incomplete = "tired" }', "'incomplete' must be in"),
        (
            'turns = ["a"]\n' + ANSWER + "mishap = { silence = { seconds = 1, at = true } }",
            "mishap.silence.at: should be",
        ),
        ('turns = ["a"]\n' + ANSWER + '[[rules]]\nwhen = "("\nanswers = ["a"]', "rules[0].when: '(' is no regular"),
        ('turns = ["a"]\n' + ANSWER + '[[keys]]\nfates = ["ok"]', "f.toml: keys[0].key: 'key' is missing"),
        ('turns = ["a"]\n' + ANSWER + '[[keys]]\nkey = "k"\nfates = "ok"', "keys[0].fates: should be a list of fates"),
        ('turns = ["a"]\n' + ANSWER + '[[keys]]\nkey = "k"\nfates = []', "fates"),
        (
            'turns = ["a"]\n' + ANSWER + '[[keys]]\nkey = "k"\nfates = ["oops"]',
            "keys[0].fates: there is no fate 'oops'",
        ),
        ('turns = ["a"]\n' + ANSWER + '[[keys]]\nkey = "k"\nfates = ["answer:x"]', "there is no answer named 'x'"),
        ('turns = ["a"]\n' + ANSWER + '[[keys]]\nkey = "k"\n[[keys]]\nkey = "k"', "the same key twice"),
        ('turns = ["a"]\n' + ANSWER + '[[keys]]\nkey = "k"\nper = "1m"', "keys[0].per: should be a number, not '1m'"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, fault: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "f.toml")
    assert fault in str(caught.value)
    assert str(caught.value).startswith("f.toml: ")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario("turns = 5\nafter_tools = 6\n" + ANSWER, "f.toml")
    assert str(caught.value).splitlines() == [
        "f.toml: turns: should be a list, not 5",
        "f.toml: after_tools: should be a list, not 6",
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nothing\.toml: can't be read: No such file"):
        load_scenario(tmp_path / "nothing.toml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match=r"odd\.toml: can't be read"):
        load_scenario(path)


@pytest.mark.parametrize(
    ("word", "trouble", "status", "retry_after"),
    [
        ("429", Trouble.REQUESTS_LIMITED, 429, None),
        ("429:0.5", Trouble.REQUESTS_LIMITED, 429, 0.5),
        ("insufficient_quota", Trouble.QUOTA, None, None),
        ("401", Trouble.UNAUTHORIZED, 401, None),
        ("403:model", Trouble.MODEL_FORBIDDEN, None, None),
        ("502", Trouble.SERVER_ERROR, 502, None),
        ("503:2", Trouble.OVERLOADED, 503, 2.0),
    ],
)
def test_fates_are_words(word: str, trouble: Trouble, status: int | None, retry_after: float | None) -> None:
    (fate,) = parse_fates(word)
    assert fate.refusal is not None
    assert (fate.refusal.trouble, fate.refusal.status, fate.refusal.retry_after) == (trouble, status, retry_after)


@pytest.mark.parametrize(
    "word",
    [
        "",
        "OK",
        "ok*0",
        "ok:3",
        "429:x",
        "429:-1",
        "429:inf",
        "429:7:weeks",
        "401:3",
        "answer",
        "wait",
        "500:1:ms",
        "418",
    ],
)
def test_other_words_are_no_fates(word: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_fates(word)
