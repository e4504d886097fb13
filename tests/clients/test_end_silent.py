"""What the real SDKs make of a stream that the bridge ends since it is dead: an error that may be tried again."""

from __future__ import annotations

import anthropic
import openai
import pytest
import trio

from bridge.config.settings import ProviderSettings
from bridge.config.units import Seconds
from bridge.keys.secret import Secret
from tests.support.world import KEYS, STREAM, Asked, Reply, provider, running, sse

BEGUN = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m"}
FIRST = {
    "openai": sse("response.created", response={"id": "r"}) + sse("response.output_text.delta", delta="a"),
    "anthropic": sse("message_start", message={**BEGUN, "usage": {"input_tokens": 1, "output_tokens": 1}})
    + sse("content_block_start", index=0, content_block={"type": "text", "text": ""}),
}


def with_openai(url: str) -> None:
    """Reads a stream of Responses to its end."""
    with openai.OpenAI(base_url=f"{url}/openai/v1", api_key="clearspan", max_retries=0) as client:
        for _ in client.responses.create(model="m", input="x", stream=True):
            pass


def with_anthropic(url: str) -> None:
    """Reads a stream of Messages to its end."""
    with anthropic.Anthropic(base_url=f"{url}/anthropic", api_key="clearspan", max_retries=0) as client:
        for _ in client.messages.create(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}], stream=True
        ):
            pass


@pytest.mark.parametrize("kind", FIRST)
@pytest.mark.parametrize("begun", [True, False])
async def test_the_sdks_meet_an_error_that_may_be_tried_again(kind: str, begun: bool) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        if begun:
            await reply.head(200, STREAM)
            await reply.chunk(FIRST[kind])
        await reply.until_closed()

    async with provider(handle) as url:
        base = url if kind == "openai" else url.removesuffix("/v1")
        settings = ProviderSettings(type=kind, base_url=base, keys=(Secret(KEYS[0]),), end_silent=Seconds(0.3))
        async with running({kind: settings}) as here:
            here.bridge.silence.look_every = 0.05
            use, errors = (with_openai, openai) if kind == "openai" else (with_anthropic, anthropic)
            with pytest.raises(errors.APIError, match="end_silent") as raised:
                await trio.to_thread.run_sync(use, here.url)
    if not begun:
        assert isinstance(raised.value, errors.InternalServerError)
        assert raised.value.status_code == 504
    elif kind == "anthropic":
        assert raised.value.body == {  # what Claude Code looks for
            "type": "error",
            "error": {"type": "overloaded_error", "message": raised.value.body["error"]["message"]},
        }
