"""What a request asks of the simulated provider, read alike for every API, and the refusals it may meet instead."""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Callable
from enum import Enum
from typing import Any

import orjson

from bridge.simulator.tools import OfferedTool
from bridge.value_classes import frozen

JsonObject = dict[str, Any]
"""What a body in JSON holds, and what an answer is made of."""

ResponseHeaders = list[tuple[bytes, bytes]]

_INFLATED_LIMIT = 256 * 1024 * 1024


class Trouble(Enum):
    """Why a request is refused, whatever an API's words and status for it are."""

    INVALID = "invalid request"
    NO_KEY = "no key"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    MODEL_FORBIDDEN = "model forbidden"
    NOT_FOUND = "not found"
    REQUESTS_LIMITED = "requests limited"
    TOKENS_LIMITED = "tokens limited"
    QUOTA = "quota"
    SERVER_ERROR = "server error"
    OVERLOADED = "overloaded"


def trouble_of(code: str) -> Trouble:
    """What an error code in a stream amounts to, where the same is answered instead of a stream."""
    return {
        "rate_limit_exceeded": Trouble.REQUESTS_LIMITED,
        "insufficient_quota": Trouble.QUOTA,
        "server_is_overloaded": Trouble.OVERLOADED,
    }.get(code, Trouble.SERVER_ERROR)


@frozen
class Refusal(Exception):
    """A request that gets an error instead of an answer. `param` and `code` are OpenAI's; `retry_after` is seconds,
    and `retry_form` how the header says it: `seconds`, `ms` or `date`."""

    trouble: Trouble
    message: str | None = None  # None: the API's usual words
    status: int | None = None  # None: the API's usual status
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None
    retry_form: str = "seconds"
    model: str | None = None


@frozen
class ModelRequest:
    """One request for an answer. `text` is what its last input says: a prompt, or the last tool's result."""

    model: str
    stream: bool
    text: str
    tools_answered: bool  # the last input is the result of a tool call
    goes_on: bool  # the conversation holds an earlier answer
    size: int  # characters of what the model reads: the input tokens are estimated from it
    tools: tuple[OfferedTool, ...]  # what the model may call
    fields: dict[str, Any]


def read_object(body: bytes, encoding: str) -> dict[str, Any]:
    """The JSON object in a request's body. Raises Refusal where there is none."""
    try:
        body = _plain(body, encoding)
        fields = orjson.loads(body)
    except (zlib.error, ValueError) as error:
        raise Refusal(
            Trouble.INVALID,
            f"We could not parse the JSON body of your request ({error}). It should be a JSON object.",
        ) from error
    if not isinstance(fields, dict):
        raise Refusal(Trouble.INVALID, "The JSON body of your request should be an object.")
    return fields


def text_of(content: Any, *types: str) -> str:
    """The text of a message's content: the string it is, or its parts of these types, joined by newlines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part for part in content if isinstance(part, dict) and part.get("type") in types)
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def since_prompt(fields: JsonObject) -> tuple[str, int]:
    """The conversation's last prompt, and how many times results of tools have come since; whatever the API."""
    given = fields.get("messages", fields.get("input"))
    items = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
    rounds, before = 0, False
    for item in reversed(items):
        content = item.get("content")
        if item.get("role") == "user" and (prompt := text_of(content, "text", "input_text")):
            return prompt, rounds
        is_result = item.get("role") in ("tool", "user") or str(item.get("type")).endswith("_output")
        rounds += is_result and not before
        before = is_result
    return "", rounds


def size_of(fields: dict[str, Any], *names: str) -> int:
    """How many characters these fields of a request have, as JSON."""
    return sum(len(orjson.dumps(fields[name])) for name in names if name in fields)


def _plain(body: bytes, encoding: str) -> bytes:
    """The first 256 MiB without their encoding. The libraries for br and zstd are loaded when such a body comes."""
    match encoding:
        case "" | "identity":
            return body
        case "gzip" | "deflate":
            return zlib.decompressobj(wbits=47).decompress(body, _INFLATED_LIMIT)
        case "zstd":
            zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
            return _unpacked(lambda: zstd.ZstdDecompressor().decompress(body, _INFLATED_LIMIT), zstd.ZstdError)
        case "br":
            brotli = importlib.import_module("brotli")
            unpack = brotli.Decompressor().process
            return _unpacked(lambda: unpack(body, output_buffer_limit=_INFLATED_LIMIT), brotli.error)
        case _:
            raise ValueError(f"content-encoding {encoding!r} is not supported")


def _unpacked(unpack: Callable[[], bytes], fault: type[Exception]) -> bytes:
    try:
        return unpack()
    except fault as error:
        raise ValueError(str(error)) from error
