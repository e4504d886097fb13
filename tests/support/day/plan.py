"""What happens on the day, the same for the same seed: who asks what of whom, and how each key fares."""

from __future__ import annotations

import random
from collections.abc import Iterator
from uuid import UUID

from attrs import evolve, frozen

from bridge.simulator.answers import (
    HiddenThought,
    Mishap,
    ScriptedAnswer,
    ScriptedFailure,
    ScriptedThought,
    ScriptedUsage,
    Silence,
    Text,
    ToolCall,
)
from bridge.simulator.fates import KeyScript, parse_fates
from bridge.simulator.scenario.scenario import Scenario
from tests.support.many_keys import COUNT, PROVIDERS

LONG_THOUGHT = 216_000
"""Bytes of the longest thought: more than three times what a picture keeps of a text."""

NEVER_S = 1e9
"""A silence that outlasts the day, at any speed."""

MODELS = {"messages": ("claude-opus-4-5", "claude-haiku-4-5"), "responses": ("gpt-5.1-codex", "gpt-5.1")}

SERVED_INSTEAD = {"claude-opus-4-5": "claude-haiku-4-5", "gpt-5.1-codex": "gpt-5.1"}

AGENTS = (
    ("claude", "anthropic", 2),
    ("claude", "anthropic-eu", 1),
    ("claude", "anthropic", 1),
    ("codex", "openai", 0),
    ("codex", "openai-batch", 0),
    ("codex", "azure", 0),
    ("codex", "local", 0),
    ("cursor", "mistral", 0),
    ("cursor", "openrouter", 0),
    ("sdk", "openai", 0),
    ("sdk", "azure", 0),
    ("sdk", "openrouter", 0),
)
"""Who they are, whom they ask, and to how many others each gives work. The first has the longest session."""


@frozen
class Turn:
    """One request of an agent. `part` is the bridge that serves it: 0, 1 or 2."""

    number: int
    part: int
    who: str
    provider: str
    session: str
    agent: str | None
    model: str
    prompt: str
    answer: str
    serves: str | None = None
    """The model that answers in the place of the one that is asked for."""
    compacts: bool = False
    leaves: bool = False
    """The client goes away in the middle of the answer."""

    @property
    def api(self) -> str:
        """How that provider is spoken to."""
        return "messages" if self.provider.startswith("anthropic") else "responses"


def key_of(number: int) -> tuple[str, str]:
    """The provider and the secret of a key; its hint ends in its number."""
    return PROVIDERS[number % len(PROVIDERS)], f"sk-day-of-the-monitor-k{number:03}"


def turns(seed: int, longest: int) -> list[Turn]:
    """All requests in the order in which they begin; those of one session come one after the other."""
    chance = random.Random(seed)  # noqa: S311  the same day for the same seed
    own = [list(_of_agent(place, chance, longest)) for place in range(len(AGENTS))]
    moments = [(number / len(row), turn) for row in own for number, turn in enumerate(row)]
    woven = sorted(moments, key=lambda moment: moment[0])
    return [evolve(turn, part=number * 3 // len(woven)) for number, (_moment, turn) in enumerate(woven)]


def _of_agent(place: int, chance: random.Random, longest: int) -> Iterator[Turn]:
    who, provider, others = AGENTS[place]
    session = str(UUID(int=chance.getrandbits(128), version=4))
    api = "messages" if provider.startswith("anthropic") else "responses"
    count = longest if place == 0 else max(4, longest // 6)
    words = f"find out why report {place} is late"
    for number in range(count):
        model = MODELS[api][number % 7 == 3]
        answer = chance.choices(("plain", "thinks", "calls", "hides", "dear"), (5, 4, 4, 2, 1))[0]
        unusual = number % 25
        if place == 0 and number == count // 2:
            answer = "endless"
        yield Turn(
            number=number,
            part=0,
            who=who,
            provider=provider,
            session=session,
            agent=f"sub-{number % others}" if others and number % 4 == 3 else None,
            model=model,
            prompt=words if number == 0 else f"{words}, step {number}",
            answer={11: "broken", 17: "stuck"}.get(unusual, answer) if place % 3 == 1 else answer,
            serves=SERVED_INSTEAD.get(model) if unusual == 9 else None,
            compacts=api == "messages" and unusual == 20,
            leaves=place % 3 == 1 and unusual == 17,
        )


def scenario(seed: int) -> Scenario:
    """How the simulated providers answer, and how each key fares."""
    chance = random.Random(seed + 1)  # noqa: S311  the same

    def usage(scale: int) -> ScriptedUsage:
        cached = chance.randrange(scale)
        return ScriptedUsage(
            input=cached + chance.randrange(scale), cached=cached, output=chance.randrange(40, scale), reasoning=30
        )

    text, call = Text("It is the index that is missing."), ToolCall("shell", {"command": "ls -l"})
    thought = ScriptedThought("**Reading the plan**\n\nThe table is read whole.")
    piece = ("because" * 143)[:999] + " "
    endless = ScriptedThought(piece * (LONG_THOUGHT // len(piece)))
    answers = {
        "plain": ScriptedAnswer((text,), usage=usage(2_000)),
        "thinks": ScriptedAnswer((thought, text), usage=usage(9_000)),
        "calls": ScriptedAnswer((thought, call), usage=usage(5_000)),
        "hides": ScriptedAnswer((HiddenThought(), text), usage=usage(3_000)),
        "dear": ScriptedAnswer((thought, text), usage=usage(150_000)),
        "endless": ScriptedAnswer((endless, text), usage=usage(60_000)),
        "broken": ScriptedAnswer((thought, text), Mishap(error=ScriptedFailure()), usage(2_000)),
        "stuck": ScriptedAnswer((thought, text), Mishap(silence=Silence(NEVER_S)), usage(2_000)),
    }
    return Scenario(answers, ("plain",), keys=tuple(_script(number) for number in range(COUNT)))


FATES = {3: ("ok*3", "429:1"), 7: ("ok*5", "insufficient_quota", "ok*99"), 5: ("ok*6", "500"), 9: ("ok*4", "529:1")}
"""How keys fare whose numbers end in that digit; one key is refused from the beginning on."""

DEAD = 18


def _script(number: int) -> KeyScript:
    texts = ("401",) if number == DEAD else FATES.get(number % 10, ("ok",))
    fates = tuple(fate for text in texts for fate in parse_fates(text))
    return KeyScript(key_of(number)[1], fates, cycle=len(fates) > 1)
