"""What is read from requests to OpenAI Responses."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bridge.apis.protocol import Api, RequestFacts, UnreadableRequest
from bridge.apis.responses.api import Responses

API: Api = Responses()


def facts(**request: Any) -> RequestFacts:
    return API.read_request("", orjson.dumps(request))


def test_a_request() -> None:
    assert facts(
        model="gpt-5", stream=True, input="hi", prompt_cache_key="session-1", unknown={"x": [1]}
    ) == RequestFacts(model="gpt-5", streaming=True, prompt="hi", session_hint="session-1", keeps_answer=True)
    assert facts(background=True) == RequestFacts(background=True, keeps_answer=True)


def test_a_request_that_goes_on_from_an_answer_names_it() -> None:
    assert facts(previous_response_id="resp_1").previous_answer == "resp_1"
    assert facts(previous_response_id=7).previous_answer is None
    assert not facts(store=False).keeps_answer


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        ("hi", "hi"),
        ("", None),
        (None, None),
        ([], None),
        ([{"role": "user", "content": "hi"}], "hi"),
        ([{"role": "user", "content": "first"}, {"role": "user", "content": "hi"}], "hi"),
        ([{"role": "user", "content": "first"}, {"role": "assistant", "content": "hi"}], None),
        ([{"role": "user", "content": "first"}, {"type": "function_call_output", "call_id": "c", "output": "x"}], None),
        (
            [
                {
                    "type": "message",
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "one"},
                        {"type": "input_image", "image_url": "data:"},
                        {"type": "input_text", "text": "two"},
                        {"type": "input_text", "text": 7},
                        "odd",
                    ],
                }
            ],
            "one\ntwo",
        ),
        ([{"role": "user", "content": [{"type": "input_image"}]}], None),
        ([{"role": "user", "content": 7}], None),
        (["odd"], None),
        ({"role": "user"}, None),
        (7, None),
    ],
)
def test_the_prompt_is_what_the_user_said_last(given: Any, prompt: str | None) -> None:
    assert facts(input=given).prompt == prompt


@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
def test_a_tool_result_names_its_call(kind: str) -> None:
    first = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
    assert facts(input=[first, {"type": kind, "call_id": "call_2"}]).correlating_tool_call_id == "call_2"
    assert facts(input=[first, {"role": "user", "content": "hi"}]).correlating_tool_call_id is None
    assert facts(input=[{"type": kind, "call_id": 7}]).correlating_tool_call_id is None


@pytest.mark.parametrize("odd", [{"model": 7}, {"stream": "yes"}, {"input": [[]]}, {"prompt_cache_key": {}}])
def test_odd_fields_are_forgiven(odd: dict[str, Any]) -> None:
    assert facts(**odd) == RequestFacts(keeps_answer=True)


def test_a_lone_surrogate_in_a_request_is_no_fault() -> None:
    assert API.read_request("", rb'{"input": "cut \ud83d"}').prompt == "cut \ufffd"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "not valid JSON"),
        (b"[]", "not an object"),
        (b"\xff\xfe{}", "not valid"),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(UnreadableRequest, match=says):
        API.read_request("", body)
