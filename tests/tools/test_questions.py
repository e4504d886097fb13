"""Whose an answer is that is not as it should be: one question's, or nobody's."""

from __future__ import annotations

from mcp_types import JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from bridge.tools.questions import MOST, NOT_AS_AGREED, Questions, refusal


def asked(*ids: int) -> Questions:
    questions = Questions()
    for id_ in ids:
        questions.sent(JSONRPCRequest(jsonrpc="2.0", id=id_, method="tools/call"))
    return questions


def result(id_: int | str) -> JSONRPCMessage:
    return JSONRPCResponse(jsonrpc="2.0", id=id_, result={})


def test_good_answers_pass_and_so_do_late_ones() -> None:
    questions = asked(1, 2)
    for id_ in (1, "2", 1):
        assert questions.answered(result(id_)) == result(id_)


def test_a_late_answer_is_not_taken_for_that_of_the_only_question() -> None:
    questions = asked(1, 2)
    cancelled = JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params={"requestId": 1})
    questions.sent(cancelled)
    assert questions.answered(result(1)) == result(1)
    assert questions.spoiled(b'{"jsonrpc":"2.0","id":1,"result":[]}') is None
    assert questions.answered(result(7)) == refusal(2, NOT_AS_AGREED)


def test_where_two_can_be_meant_neither_is() -> None:
    questions = asked(1, 2)
    assert questions.answered(result(7)) == result(7)
    assert questions.spoiled(b'{"jsonrpc":"2.0","result":{}}') is None
    assert questions.spoiled(b'{"jsonrpc":"2.0","id":2,"result":[]}') == refusal(2, NOT_AS_AGREED)


def test_what_is_printed_beside_the_messages_answers_nothing() -> None:
    questions = asked(1)
    for line in (b"listening", b"", b"[1]", b'{"level":"info"}', b'{"id":5}', b'{"method":"x","id":1}', b"[" * 100_000):
        assert questions.spoiled(line) is None
    assert questions.spoiled(b'{"jsonrpc":"2.0","result":{}}') == refusal(1, NOT_AS_AGREED)


def test_no_more_than_so_many_are_remembered() -> None:
    questions = asked(*range(1, MOST + 3))
    assert len(questions._open) == MOST
