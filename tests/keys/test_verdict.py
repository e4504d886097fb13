"""What each answer says about its key, as tables (docs/behaviour.md, Key pool)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.provider_errors import LONGEST_BODY, QUOTA_CODES
from bridge.events.values import FailureReason
from bridge.keys.rate_limits import Headers
from bridge.keys.verdict import Failure, judge, judge_stream_failure
from tests.keys.clocks import NOON

RATE = FailureReason.RATE_LIMITED
QUOTA = FailureReason.QUOTA_EXHAUSTED
OVER = FailureReason.OVERLOADED

AFTER_7 = [(b"Retry-After", b"7")]


def openai(**error: object) -> bytes:
    """An error body of OpenAI's shape."""
    return json.dumps({"error": {"message": "", "type": None, "param": None, "code": None, **error}}).encode()


def anthropic(**error: object) -> bytes:
    """An error body of Anthropic's shape."""
    return json.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": "", **error}}).encode()


def unscoped(status: int, headers: Headers, body: bytes, now: datetime) -> Failure | None:
    """The verdict without whose limit it is, which `test_groups.py` has."""
    failure = judge(status, headers, body, now)
    return None if failure is None else evolve(failure, scope=None)


NO_CREDIT = anthropic(
    type="invalid_request_error",
    message="Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
    "purchase credits.",
)
HOLD = anthropic(
    type="permission_error",
    message="This organization is on hold.",
    details={"error_code": "organization_on_hold"},
)
SLOW_DOWN = openai(
    message="Rate limit reached for gpt-x in organization org-1 on tokens per min (TPM): Limit 30000, Used 29000, "
    "Requested 4000. Please try again in 6.5s. Visit https://platform.openai.com/account/rate-limits to learn more.",
    type="tokens",
    code="rate_limit_exceeded",
)


@pytest.mark.parametrize(
    ("status", "headers", "body", "failure"),
    [
        (429, AFTER_7, b"", Failure(RATE, 7.0, "header")),
        (429, [(b"retry-after-ms", b"250"), *AFTER_7], b"", Failure(RATE, 0.25, "header")),
        (429, [(b"retry-after", b"Sun, 01 Mar 2026 12:00:30 GMT")], b"", Failure(RATE, 30.0, "header")),
        (429, [(b"retry-after", b"99999999")], b"", Failure(RATE, 86400.0, "header")),
        (429, [(b"retry-after", b"0")], b"", Failure(RATE, 1.0, "header")),
        (429, [(b"retry-after", b"-5")], b"", Failure(RATE, 60.0, "default")),
        (429, [(b"retry-after", b"-5")], SLOW_DOWN, Failure(RATE, 6.5, "body")),
        (429, [], b"", Failure(RATE, 60.0, "default")),
        (429, [(b"retry-after", b"nan")], b"", Failure(RATE, 60.0, "default")),
        (429, [], SLOW_DOWN, Failure(RATE, 6.5, "body")),
        (429, [(b"retry-after", b"soon")], SLOW_DOWN, Failure(RATE, 6.5, "body")),
        (429, AFTER_7, SLOW_DOWN, Failure(RATE, 7.0, "header")),
        (429, [], anthropic(message="slow down"), Failure(RATE, 60.0, "default")),
        (401, AFTER_7, openai(code="invalid_api_key"), Failure(FailureReason.UNAUTHORIZED, permanent=True)),
        (401, [], openai(code="insufficient_quota"), Failure(FailureReason.UNAUTHORIZED, permanent=True)),
        (402, AFTER_7, b"", Failure(QUOTA, 3600.0, "default")),
        (402, [(b"retry-after", b"7200")], b"", Failure(QUOTA, 7200.0, "header")),
        (402, [], openai(message="Insufficient Balance", type="unknown_error"), Failure(QUOTA, 3600.0, "default")),
        (402, [], openai(message="Insufficient credits", code=402), Failure(QUOTA, 3600.0, "default")),
        (400, [], NO_CREDIT, Failure(QUOTA, 3600.0, "default")),
        (403, [], NO_CREDIT, Failure(QUOTA, 3600.0, "default")),
        (403, [], anthropic(type="billing_error"), Failure(QUOTA, 3600.0, "default")),
        (400, [], anthropic(type="invalid_request_error", message="prompt is too long"), None),
        (400, AFTER_7, openai(code="rate_limit_exceeded", message="try again in 3s"), None),
        (400, [], b"credit" + b" " * LONGEST_BODY + b" balance is too low", None),
        (400, [], HOLD, Failure(FailureReason.FORBIDDEN, permanent=True)),
        (401, [], HOLD, Failure(FailureReason.FORBIDDEN, permanent=True)),
        (403, [], HOLD, Failure(FailureReason.FORBIDDEN, permanent=True)),
        (404, [], HOLD, Failure(FailureReason.FORBIDDEN, permanent=True)),
        (429, AFTER_7, HOLD, Failure(FailureReason.FORBIDDEN, permanent=True)),
        (500, [], HOLD, None),
        (200, [], HOLD, None),
        (403, AFTER_7, openai(code="model_not_found"), Failure(FailureReason.FORBIDDEN, recheck=True)),
        (529, [], anthropic(type="overloaded_error"), Failure(OVER)),
        (529, AFTER_7, b"", Failure(OVER, 7.0, "header")),
        (529, [(b"retry-after", b"soon")], b"", Failure(OVER)),
        (503, AFTER_7, b"", Failure(OVER, 7.0, "header")),
        (503, [], b"", None),
        (503, [(b"retry-after", b"soon")], b"", None),
    ],
)
def test_failures(status: int, headers: Headers, body: bytes, failure: Failure | None) -> None:
    assert unscoped(status, headers, body, NOON) == failure


@pytest.mark.parametrize(
    "status", [200, 201, 204, 301, 304, 404, 405, 408, 409, 413, 422, 424, 500, 501, 502, 504, 520, 999]
)
def test_every_other_status_is_no_key_failure(status: int) -> None:
    assert unscoped(status, AFTER_7, openai(code="insufficient_quota"), NOON) is None


@pytest.mark.parametrize("code", sorted(QUOTA_CODES))
@pytest.mark.parametrize("status", [400, 402, 403, 429])
@pytest.mark.parametrize("headers", [[], AFTER_7])
def test_quota_codes_wherever_they_stand(code: str, status: int, headers: Headers) -> None:
    for body in (
        openai(code=code),
        openai(type=code),
        openai(code=code, type="requests", message="try again in 3s"),
        anthropic(type=code),
        anthropic(details={"error_code": code}),
        json.dumps({"code": code, "message": "no"}).encode(),
        json.dumps([{"error": {"code": code}}]).encode(),
    ):
        assert unscoped(status, headers, body, NOON) == Failure(QUOTA, 3600.0, "default")


def test_quota_by_anthropics_words() -> None:
    body = anthropic(message="Your credit balance is too low to access the Anthropic API.")
    assert unscoped(429, [], body, NOON) == Failure(QUOTA, 3600.0, "default")


def test_quota_that_names_a_longer_rest_gets_it() -> None:
    body = openai(code="insufficient_quota")
    assert unscoped(429, [(b"retry-after", b"7200")], body, NOON) == Failure(QUOTA, 7200.0, "header")


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 7.5s.", 7.5),
        ("try again in 1m30s", 90.0),
        ("Try Again In 250ms!", 0.25),
        ("Please try again in 6m0s. Visit", 360.0),
        ("Please try again in 1h2m3s", 3723.0),
        ("Please retry in 12.25s.", 12.25),
        ("Please retry after 20 seconds.", 20.0),
        ("try again in 1 minute", 60.0),
        ("try again in 99999h", 86400.0),
        ("try again in 0s", 1.0),
    ],
)
def test_a_wait_told_in_words(message: str, seconds: float) -> None:
    for body in (openai(message=message), anthropic(message=message), message.encode()):
        failure = unscoped(429, [], body, NOON)
        assert failure is not None
        assert (failure.reason, failure.source) == (RATE, "body")
        assert failure.cooldown_s == pytest.approx(seconds)


@pytest.mark.parametrize(
    "message",
    ["", "try again later", "try again in a while", "try again in -5s", "try again in 5", "try again in 5 sheep"],
)
def test_no_wait_told_is_the_default(message: str) -> None:
    assert unscoped(429, [], openai(message=message), NOON) == Failure(RATE, 60.0, "default")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>429</html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[1]",
        b'"text"',
        b"12",
        b'{"error": null}',
        b'{"error": "no"}',
        b'{"error": []}',
        b'{"error": {"code": 429, "type": ["insufficient_quota"], "message": {"a": 1}, "details": "no"}}',
        b"[" * 100_000,
        b'{"error": {"code": "insufficient_quota"},' + b" " * LONGEST_BODY + b"}",
    ],
)
def test_a_body_without_sense_is_a_plain_rate_limit(body: bytes) -> None:
    assert unscoped(429, [], body, NOON) == Failure(RATE, 60.0, "default")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(sorted(QUOTA_CODES)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "code", "type", "message", "details"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.integers(100, 999), st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_can_harm(status: int, body: bytes) -> None:
    failure = unscoped(status, [], body, NOON)
    assert failure is None or failure.cooldown_s is None or 0 <= failure.cooldown_s <= 86400


@pytest.mark.parametrize(
    ("reason", "message", "failure"),
    [
        (RATE, "", Failure(RATE, 60.0, "default")),
        (RATE, "Please try again in 3s", Failure(RATE, 3.0, "body")),
        (QUOTA, "Please try again in 3s", Failure(QUOTA, 3600.0, "default")),
        (OVER, "Overloaded", Failure(OVER)),
        (FailureReason.UNAUTHORIZED, "", Failure(FailureReason.UNAUTHORIZED, permanent=True)),
        (FailureReason.FORBIDDEN, "", Failure(FailureReason.FORBIDDEN, recheck=True)),
        (FailureReason.SERVER_ERROR, "", None),
        (FailureReason.TIMEOUT, "", None),
        (FailureReason.CONNECT_ERROR, "", None),
        (None, "Please try again in 3s", None),
    ],
)
def test_an_error_that_opens_a_stream(reason: FailureReason | None, message: str, failure: Failure | None) -> None:
    assert judge_stream_failure(reason, message) == failure
