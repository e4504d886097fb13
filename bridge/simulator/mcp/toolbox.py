"""The tools of the simulated MCP server, one for each thing that a client of such servers must be able to take."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any

import trio

PICTURE = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
        "0000000049454e44ae426082"
    )
).decode()
"""One red dot, as PNG."""

MUCH = 5 * 1024 * 1024

Json = dict[str, Any]


class Toolbox:
    """The tools, and how they answer. `changed` is called when there is another than before.

    One tool ends the whole process; it is there only where the server is all that runs in it.
    """

    def __init__(self, changed: Callable[[], None], *, mortal: bool) -> None:
        self._changed = changed
        self._mortal = mortal
        self._grown = 0

    def tools(self) -> list[Json]:
        """All tools, as `tools/list` shows them."""
        text = _schema({"text": {"type": "string", "description": "What to say."}}, "text")
        numbers = _schema({"a": {"$ref": "#/$defs/number"}, "b": {"$ref": "#/$defs/number"}}, "a", "b")
        size = _schema({"bytes": {"type": "integer", "minimum": 0, "default": MUCH}})
        return [
            _tool("echo", "Says the text again.\nThe same text, that is.", text),
            _tool("add", "Adds two numbers.", {**numbers, "$defs": {"number": {"type": "number"}}}),
            _tool("fail", "Fails, and says so.", text),
            _tool("hang", "Never answers."),
            _tool("picture", "Shows a picture of one red dot."),
            _tool("much", "Answers with very much text, 5 MB unless told otherwise.", size),
            _tool("grow", "Adds a tool to this server."),
            *[_tool("die", "Ends this server at once.")] * self._mortal,
            *(_tool(f"grown_{number}", "Was not there before.") for number in range(1, self._grown + 1)),
        ]

    async def call(self, name: str, arguments: Json) -> Json | None:
        """The result of a call; None where there is no such tool."""
        if all(name != tool["name"] for tool in self.tools()):
            return None
        if name == "hang":
            await trio.sleep_forever()
        if name == "die":
            os._exit(1)
        return getattr(self, f"_{name}", self._other)(arguments)

    @staticmethod
    def _echo(arguments: Json) -> Json:
        return _text(str(arguments.get("text", "")))

    @staticmethod
    def _add(arguments: Json) -> Json:
        total = float(arguments.get("a", 0)) + float(arguments.get("b", 0))
        return {**_text(f"{total:g}"), "structuredContent": {"sum": total}}

    @staticmethod
    def _fail(arguments: Json) -> Json:
        return {**_text(str(arguments.get("text") or "it failed, as it was told to")), "isError": True}

    @staticmethod
    def _picture(_arguments: Json) -> Json:
        return {"content": [{"type": "image", "data": PICTURE, "mimeType": "image/png"}]}

    @staticmethod
    def _much(arguments: Json) -> Json:
        return _text("much " * (int(arguments.get("bytes", MUCH)) // 5))

    def _grow(self, _arguments: Json) -> Json:
        self._grown += 1
        self._changed()
        return _text(f"there is a tool grown_{self._grown} now")

    @staticmethod
    def _other(_arguments: Json) -> Json:
        return _text("here it is")


def _tool(name: str, description: str, schema: Json | None = None) -> Json:
    return {"name": name, "description": description, "inputSchema": schema or {"type": "object"}}


def _schema(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _text(text: str) -> Json:
    return {"content": [{"type": "text", "text": text}]}
