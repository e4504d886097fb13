"""The APIs that the bridge understands, by the names they have in events."""

from __future__ import annotations

from bridge.apis.chat_completions.api import ChatCompletions
from bridge.apis.messages.api import Messages
from bridge.apis.protocol import Api
from bridge.apis.responses.api import Responses

_ALL: tuple[Api, ...] = (Responses(), ChatCompletions(), Messages())

APIS: dict[str, Api] = {api.name: api for api in _ALL}
