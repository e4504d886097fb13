"""What a simulated model answers, in words that belong to no API; each API's module says the same in its own shapes.

An answer is a row of parts, in the order in which the model lets them out, and at most a few mishaps on the way.
"""

from __future__ import annotations

from typing import Any

import orjson
from attrs import Factory, field
from attrs.validators import ge, gt, in_, min_len, optional

from bridge.value_classes import frozen

StreamPlace = int | str | None
"""A place in a stream: after so many events, before the first event of that name, or after the `opening`, which says
nothing yet but that there will be an answer. None and names that a stream has not got mean its middle."""


@frozen
class ScriptedThought:
    """Reasoning that the provider lets out: a summary part, or the text of a thinking block."""

    text: str


@frozen
class HiddenThought:
    """Reasoning that was done but is kept back: `length` characters, encrypted or redacted; `omitted` leaves nothing
    to read at all."""

    length: int = 1200
    omitted: bool = False


@frozen
class Commentary:
    """What the model says to whoever watches, before it goes on working."""

    text: str


@frozen
class ToolCall:
    """A call of one of the tools that are offered. A text instead of an object makes it a free-form (custom) tool's.

    `namespace` is the group that the tool was offered in, if it was in one; scenarios know none. `broken` is what the
    model writes in the place of the arguments' JSON.
    """

    tool: str
    arguments: dict[str, Any] | str
    namespace: str | None = None
    broken: str | None = None

    @property
    def written(self) -> str:
        """The arguments as the model writes them, where they have to be an object."""
        if self.broken is not None:
            return self.broken
        given = {"input": self.arguments} if isinstance(self.arguments, str) else self.arguments
        return orjson.dumps(given).decode()


@frozen
class Text:
    """The answer proper."""

    text: str


Part = ScriptedThought | HiddenThought | Commentary | ToolCall | Text


@frozen
class ScriptedUsage:
    """Tokens of an answer; what is None is estimated from the texts. `input` contains what the cache gave or took."""

    input: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    output: int | None = None
    reasoning: int | None = None


@frozen
class Silence:
    """Nothing is sent for so many seconds. At 0 even the response's headers wait."""

    seconds: float = field(validator=ge(0))
    at: StreamPlace = None


@frozen
class ScriptedFailure:
    """The provider gives up, with these words.

    The code is OpenAI's: `server_error`, `rate_limit_exceeded`, `insufficient_quota`, `server_is_overloaded`, or any
    other. `nested` is the form in which OpenAI's servers were seen to send an `error` event: the error inside an
    object, and a `response.failed` after it.
    """

    code: str = "server_error"
    message: str = "The model could not finish this response. Try again in a moment."
    at: StreamPlace = None
    nested: bool = False


@frozen
class Mishap:
    """What goes wrong while an answer is given; of the first three, which each API shapes in its own way, only one."""

    incomplete: str | None = field(default=None, validator=optional(in_(("max_output_tokens", "content_filter"))))
    failed: ScriptedFailure | None = None  # the response itself ends as failed
    error: ScriptedFailure | None = None  # an error event in the middle of the stream
    dropped: int | None = field(default=None, validator=optional(ge(0)))  # break off after so many bytes of the body
    silence: Silence | None = None
    slow: float | None = field(default=None, validator=optional(gt(0)))  # tokens a second, not the scenario's pace

    def __attrs_post_init__(self) -> None:
        if sum(ending is not None for ending in (self.incomplete, self.failed, self.error)) > 1:
            raise ValueError("an answer ends only one way: 'incomplete', 'failed' or 'error'")


@frozen
class ScriptedAnswer:
    """One answer, ready to be given through any API."""

    parts: tuple[Part, ...] = field(validator=min_len(1))
    mishap: Mishap = Factory(Mishap)
    usage: ScriptedUsage = Factory(ScriptedUsage)
    then: str | None = (
        None  # the answer that follows when the results of its calls come; a request has to name this one
    )
