"""Results of calls, cut where they are too much for a model."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bridge.limits import LIMITS
from bridge.tools.results import tool_result

TEXTS = st.sampled_from(["a", "é", "\n", '"\\', "😀", "\x01"])


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def test_a_result_within_the_limit_stays_as_it_is() -> None:
    answer = {"content": [text_block("a")], "isError": False, "_meta": {"x": 1}, "structuredContent": {"a": 1.0}}
    assert tool_result(answer).result is answer


@given(st.lists(st.tuples(TEXTS, st.integers(0, 1_200_000)), min_size=1, max_size=3))
def test_no_result_is_larger_and_what_is_cut_says_so(blocks: list[tuple[str, int]]) -> None:
    answer = {"content": [text_block(text * count) for text, count in blocks]}
    size = len(orjson.dumps(answer))
    result = tool_result(answer).result
    assert result is not None
    assert len(orjson.dumps(result)) <= LIMITS.tool_result_bytes
    if size > LIMITS.tool_result_bytes:
        assert result["content"][-1]["text"].startswith(f"[cut: the result had {size} bytes")
        assert len(orjson.dumps(result)) > LIMITS.tool_result_bytes * 0.99
        for kept, whole in zip(result["content"][:-1], answer["content"], strict=False):
            assert whole["text"].startswith(kept["text"])
    else:
        assert result == answer


def test_a_block_that_is_no_text_is_left_out_whole() -> None:
    image = {"type": "image", "data": "A" * 2_000_000, "mimeType": "image/png"}
    result = tool_result({"content": [text_block("before"), image, text_block("after")], "isError": True}).result
    assert result is not None
    assert [block["type"] for block in result["content"]] == ["text", "text"]
    assert result["content"][0] == text_block("before")
    assert result["isError"] is True


def test_what_json_cannot_say_is_an_error() -> None:
    assert tool_result({"content": [], "structuredContent": {"n": 2**70}}).error == (
        "the tool's result can't be written as JSON"
    )


def test_a_question_to_a_person_is_an_error() -> None:
    found = tool_result({"resultType": "input_required", "inputRequests": {}})
    assert found.error == "the tool asks for input that only a person could give"
    assert tool_result({"resultType": "complete", "content": []}).error is None
