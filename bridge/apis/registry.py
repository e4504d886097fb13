"""The APIs that the bridge understands, by the names they have in events."""

from __future__ import annotations

from bridge.apis.api import Api
from bridge.apis.chat_completions import ChatCompletions
from bridge.apis.messages import Messages
from bridge.apis.responses import Responses

_ALL: tuple[Api, ...] = (Responses(), ChatCompletions(), Messages())

APIS: dict[str, Api] = {api.name: api for api in _ALL}
