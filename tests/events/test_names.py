"""The rule by which sessions are named: which requests are together, which number is free, what was asked first."""

from __future__ import annotations

from functools import reduce

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from bridge.events.names import Name, SessionIds, first_asked, id_of, name_the_day, number_sessions, words_of


@frozen
class Told:
    """A session, by no more than its name needs."""

    client: str
    id: str
    words: str = ""
    tail: str = "tail"

    def first_words(self) -> str:
        return self.words


@frozen
class Request:
    """One of a session; the first came first."""

    number: int
    agent: str | None
    prompt: str | None


def is_main(request: Request) -> bool:
    return request.agent is None


def prompt_of(request: Request) -> str | None:
    return request.prompt


def test_each_session_gets_the_lowest_number_of_its_client_that_is_free() -> None:
    names = {"kept": Name("Codex", 2, "x"), "other": Name("opencode", 1, "x")}
    number_sessions([Told("Codex", "a"), Told("Codex", "b"), Told("opencode", "c"), Told("Codex", "kept")], names)
    assert {id_: name.number for id_, name in names.items()} == {"kept": 2, "other": 1, "a": 1, "b": 3, "c": 2}


def test_first_words_stay_but_what_the_day_tells_goes_before_them() -> None:
    names: dict[str, Name] = {}
    number_sessions([Told("Codex", "a"), Told("Codex", "b", "mend it")], names)
    assert [(name.words, name.asked) for name in names.values()] == [("tail", False), ("mend it", True)]
    number_sessions([Told("Codex", "a", "look"), Told("Codex", "b", "later")], names)
    assert [name.words for name in names.values()] == ["look", "mend it"]
    name_the_day([Told("Codex", "b", "begin"), Told("Codex", "a"), Told("Codex", "c")], names)
    assert [name.words for name in names.values()] == ["look", "begin", "tail"]
    assert names["c"].number == 3


def test_a_request_without_a_session_belongs_to_the_one_whose_call_it_answers() -> None:
    ids = SessionIds()
    ids.note_call("Codex", "call-1", ids.of("r1", "Codex", "s-1", None))
    ids.note_call("Codex", None, "nobody's")
    assert ids.of("r2", "Codex", None, "call-1") == id_of("Codex", "s-1")
    assert ids.of("r3", "opencode", None, "call-1") == "request r3"
    assert ids.of("r4", "Codex", "s-2", "call-1") == id_of("Codex", "s-2")
    assert ids.of("r5", "Codex", "", None) == "request r5"


def test_the_first_prompt_of_the_main_agent_is_what_was_asked_first() -> None:
    sub, main, later = Request(0, "a", "look"), Request(1, None, "mend"), Request(2, None, "again")
    assert first_asked([sub, Request(9, None, None), main, later], is_main, prompt_of) is main
    assert first_asked([sub, Request(9, None, "")], is_main, prompt_of) is sub
    assert first_asked([Request(9, None, "")], is_main, prompt_of) is None


@given(st.lists(st.tuples(st.sampled_from([None, "a"]), st.sampled_from([None, "", "ask"])), min_size=1))
def test_who_reads_backwards_finds_the_same_request(told: list[tuple[str | None, str | None]]) -> None:
    """The monitor keeps of each session but the request that counts so far; the record's commands have all."""
    requests = [Request(number, *fields) for number, fields in enumerate(told)]
    backwards = reduce(
        lambda later, request: first_asked([request, later], is_main, prompt_of) or later, reversed(requests)
    )
    assert backwards == (first_asked(requests, is_main, prompt_of) or requests[-1])


def test_words_are_the_beginning_of_a_prompt_on_one_line() -> None:
    assert words_of(" why\n is it\tslow ") == "why is it slow"
    assert words_of("a" * 300) == "a" * 200
    assert words_of(None) == words_of(" \n") == ""
