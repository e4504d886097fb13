"""The walkthrough's chapters on the simulator's side: what becomes of each key, what the model answers, who leaves.

A chapter is played when a person opens it, and stands still where they are to look: before an answer's head goes out,
and before a client leaves. Then it waits for a step (`Gate`). Where times matter, in the chapter that waits for a key,
it runs by itself. What people read beside it stands in `monitor/lines/chapters.py`, in the same order.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import httpx
import orjson
import trio
from attrs import Factory, evolve

from bridge.simulator.agents import WholeBody, headers_of, user_input
from bridge.simulator.answers import (
    HiddenThought,
    Mishap,
    Part,
    ScriptedAnswer,
    ScriptedThought,
    Silence,
    Text,
    ToolCall,
)
from bridge.simulator.delivery import AsgiReceive, AsgiSend
from bridge.simulator.demo import demo_keys
from bridge.simulator.fates import Fate, KeyScript, parse_fates
from bridge.simulator.provider import SimulatedProvider
from bridge.simulator.request import JsonObject
from bridge.simulator.scenario.file import everyday
from bridge.simulator.scenario.scenario import Scenario
from bridge.simulator.streaming import Pace
from bridge.simulator.tools import ANY_INJECTED
from bridge.value_classes import frozen

KEYS = tuple(demo_keys())

WAIT_FOR_KEY_S = 8.0
"""How long a request may wait for a key in the chapters: longer than the first rest there, shorter than the others."""

TOOLS_HEADER = "x-clearspan-tools"
"""With `off` in it, a request goes out without the bridge's tools."""

LONG_S = 3600.0
"""A person may look at one step for as long as that."""


@frozen
class Act:
    """One request of a chapter. `fates` are the keys', one each; `stepped` says that it waits for steps. `then` is what
    the model answers to a tool's result; only such an act takes the tools that a bridge offers."""

    prompt: str
    parts: tuple[Part, ...]
    fates: tuple[str, str, str] = ("ok", "ok", "ok")
    mishap: Mishap = Factory(Mishap)
    stepped: bool = True
    leaves: bool = False
    then: tuple[Part, ...] = ()

    def scenario(self) -> Scenario:
        """What the simulated provider plays for it."""
        scripts = tuple(KeyScript(key, _fates(fate)) for key, fate in zip(KEYS, self.fates, strict=True))
        return evolve(
            everyday(),
            answers={"act": ScriptedAnswer(self.parts, self.mishap), "then": ScriptedAnswer(self.then or self.parts)},
            turns=("act",),
            after_tools=("then",),
            keys=scripts,
            pace=Pace(first_token=0.1, tokens_per_second=200),
        )


def _fates(words: str) -> tuple[Fate, ...]:
    return tuple(fate for word in words.split() for fate in parse_fates(word))


_THOUGHT = ScriptedThought("""\
**Reading the failing test**

It fails only on Fridays, so it is the date and not the code under test. I look at where the due date is computed.""")
_ANSWER = Text("""\
The test adds three working days to today and forgets the weekend. I would fix the date in the test.""")
_PARTS: tuple[Part, ...] = (_THOUGHT, _ANSWER)

_CALL = (
    ScriptedThought("**Adding up**\n\nThere is a tool that adds; I trust it more than my head."),
    ToolCall(ANY_INJECTED, {"a": 1234.5, "b": 99}),
)
_PROMPT = "why does test_due_date fail on Fridays?"
_STUCK = Mishap(silence=Silence(LONG_S, "response.output_text.done"))

LESSONS: tuple[tuple[Act, ...], ...] = (
    (Act(_PROMPT, _PARTS),),
    (Act(_PROMPT, _PARTS, ("429:20", "ok", "ok")),),
    (Act(_PROMPT, _PARTS, ("401", "ok", "ok")),),
    (
        Act(_PROMPT, _PARTS, ("429:6 ok", "429:10", "429:20"), stepped=False),
        Act(_PROMPT, _PARTS, ("429:90", "429:90", "429:90"), stepped=False),
    ),
    (Act(_PROMPT, _PARTS, mishap=_STUCK, leaves=True),),
    (Act(_PROMPT, (HiddenThought(1_800), _ANSWER)),),
    (Act("what do the two invoices come to?", _CALL, then=(Text("1,234.50 and 99 come to 1,333.50."),)),),
)
"""The acts of each chapter, in the order of the chapters. Every act begins with keys that are well."""


class Gate:
    """Where somebody waits until a person goes on. A step that nobody waits for yet counts for the next who does."""

    def __init__(self) -> None:
        self._opened = trio.Event()

    def step(self) -> None:
        """Lets one through."""
        self._opened.set()

    async def passed(self) -> None:
        """Returns once there was a step."""
        await self._opened.wait()
        self._opened = trio.Event()


class SteppedProvider:
    """A simulated provider, as an ASGI application, that keeps each answer back until there is a step.

    Checks of keys (GET) are answered at once. What is kept back is the head: so whoever leaves meanwhile is noticed.
    `speed` divides the times of the model and of its refusals.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.gate = Gate()
        self._speed = speed
        self._stepped = False
        self._provider = SimulatedProvider(LESSONS[0][0].scenario())

    def begin(self, act: Act) -> None:
        """Answers as that act says, from the next request on."""
        self.gate, self._stepped = Gate(), act.stepped
        self._provider = SimulatedProvider(act.scenario(), seed=1, speed=self._speed)

    async def __call__(self, scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        """One ASGI connection."""
        gate = self.gate
        stepped = self._stepped and scope.get("method") == "POST"

        async def send_stepped(message: dict[str, Any]) -> None:
            if stepped and message["type"] == "http.response.start":
                await gate.passed()
            await send(message)

        await self._provider(scope, receive, send_stepped)


async def perform(act: Act, url: str, session: str, gate: Gate) -> None:
    """Sends an act's request as an agent would, in a session of that name, and takes the answer, or leaves before its
    end. Raises nothing but cancellation: what goes wrong is what the chapter is about."""
    async with httpx.AsyncClient(timeout=LONG_S, trust_env=False) as client:
        body = orjson.dumps(_body(act, session))
        headers = {**headers_of("codex", session), "authorization": "Bearer clearspan"}
        if not act.then:
            headers[TOOLS_HEADER] = "off"
        request = client.build_request("POST", f"{url}/responses", headers=headers, content=body)
        request.stream = WholeBody(body)
        try:
            response = await client.send(request, stream=True)
            async with aclosing(response), trio.open_nursery() as nursery:
                if act.leaves:
                    nursery.start_soon(_leave, gate, nursery.cancel_scope)
                async for _ in response.aiter_raw():
                    pass
                nursery.cancel_scope.cancel()
        except* httpx.HTTPError:
            pass


async def _leave(gate: Gate, scope: trio.CancelScope) -> None:
    await gate.passed()
    scope.cancel()


def _body(act: Act, session: str) -> JsonObject:
    return {
        "model": "gpt-5.1-codex",
        "instructions": "You are a coding agent. Say what is wrong, and what you would do.",
        "input": [user_input(act.prompt)],
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": session,
    }
