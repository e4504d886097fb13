"""Errors of the bridge's own, in each API's words; `provider_errors` reads those that come from a provider.

Bodies follow the API references ("Error codes" of OpenAI, "Errors" of Anthropic), so that SDKs raise their usual
exceptions; stream errors are shaped so that the SDKs' stream classes raise when they meet one.
"""

from __future__ import annotations

from typing import Any

import orjson

from bridge.apis.json_text import well_formed
from bridge.errors import ErrorKind

_OPENAI: dict[ErrorKind, tuple[str, str | None]] = {  # type, code
    ErrorKind.INVALID_REQUEST: ("invalid_request_error", None),
    ErrorKind.UNAUTHORIZED: ("invalid_request_error", "invalid_api_key"),
    ErrorKind.FORBIDDEN: ("permission_error", "permission_denied"),
    ErrorKind.NOT_FOUND: ("invalid_request_error", "not_found"),
    ErrorKind.METHOD_NOT_ALLOWED: ("invalid_request_error", "method_not_supported"),
    ErrorKind.TOO_LARGE: ("invalid_request_error", "request_too_large"),
    ErrorKind.UPGRADE_REQUIRED: ("invalid_request_error", "websocket_not_supported"),
    ErrorKind.RATE_LIMITED: ("rate_limit_error", "rate_limit_exceeded"),
    ErrorKind.INTERNAL: ("api_error", "server_error"),
    ErrorKind.NOT_IMPLEMENTED: ("invalid_request_error", "not_implemented"),
    ErrorKind.BAD_GATEWAY: ("api_error", "server_error"),
    ErrorKind.UNAVAILABLE: ("api_error", "service_unavailable"),
    ErrorKind.GATEWAY_TIMEOUT: ("api_error", "timeout"),
}

_ANTHROPIC: dict[ErrorKind, str] = {
    ErrorKind.INVALID_REQUEST: "invalid_request_error",
    ErrorKind.UNAUTHORIZED: "authentication_error",
    ErrorKind.FORBIDDEN: "permission_error",
    ErrorKind.NOT_FOUND: "not_found_error",
    ErrorKind.METHOD_NOT_ALLOWED: "invalid_request_error",
    ErrorKind.TOO_LARGE: "request_too_large",
    ErrorKind.UPGRADE_REQUIRED: "invalid_request_error",
    ErrorKind.RATE_LIMITED: "rate_limit_error",
    ErrorKind.INTERNAL: "api_error",
    ErrorKind.NOT_IMPLEMENTED: "invalid_request_error",
    ErrorKind.BAD_GATEWAY: "api_error",
    ErrorKind.UNAVAILABLE: "overloaded_error",
    ErrorKind.GATEWAY_TIMEOUT: "timeout_error",
}


def openai_error(kind: ErrorKind, message: str) -> bytes:
    """The body of an error as OpenAI's API words it."""
    return orjson.dumps({"error": _openai_object(kind, message)})


def anthropic_error(kind: ErrorKind, message: str) -> bytes:
    """The body of an error as Anthropic's API words it."""
    return orjson.dumps(_anthropic_object(kind, message))


def responses_stream_error(message: str, sequence_number: int = 0, kind: ErrorKind = ErrorKind.BAD_GATEWAY) -> bytes:
    """An error as an event of a Responses stream.

    The API reference documents the members at the top; the service itself sends an `error` object, and the openai SDK
    raises for that object only. So both are there.
    """
    error = _openai_object(kind, message)
    return _event(
        "error",
        {
            "type": "error",
            "code": error["code"],
            "message": error["message"],
            "param": None,
            "sequence_number": sequence_number,
            "error": error,
        },
    )


def chat_stream_error(message: str, kind: ErrorKind = ErrorKind.BAD_GATEWAY) -> bytes:
    """An error as a chunk of a Chat Completions stream."""
    return b"data: " + openai_error(kind, message) + b"\n\n"


def messages_stream_error(message: str, kind: ErrorKind = ErrorKind.BAD_GATEWAY) -> bytes:
    """An error as an event of a Messages stream."""
    return _event("error", _anthropic_object(kind, message))


def _openai_object(kind: ErrorKind, message: str) -> dict[str, Any]:
    error_type, code = _OPENAI[kind]
    return {"message": well_formed(message), "type": error_type, "code": code, "param": None}


def _anthropic_object(kind: ErrorKind, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": _ANTHROPIC[kind], "message": well_formed(message)}}


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
