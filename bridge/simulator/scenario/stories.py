"""The demo's stories: what its agents are asked, what the model answers step by step, and what their tools give back.

They lie as TOML in `roles/`, one file an agent. The simulated provider plays the model's part (`demo.py`), the
scripted agents the other one (`agents.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from attrs import Factory, field
from attrs.validators import min_len

from bridge.simulator.answers import Mishap, Part, ScriptedUsage, ToolCall
from bridge.simulator.scenario.file import parse
from bridge.value_classes import frozen

_FILES = ("codex", "cursor", "sdk", "grok")


@frozen
class Subagent:
    """Work that an agent gives away: another agent does it in the same session."""

    name: str
    prompt: str
    steps: tuple[StoryStep, ...] = field(validator=min_len(1))


@frozen
class StoryStep:
    """One answer of the model, and the results of the tools it called. A `mishap` that breaks it comes at first. The
    agent goes on when its `agents` are done."""

    parts: tuple[Part, ...] = field(validator=min_len(1))
    results: tuple[str, ...] = ()
    mishap: Mishap = Factory(Mishap)
    usage: ScriptedUsage = Factory(ScriptedUsage)
    agents: tuple[Subagent, ...] = ()

    def __attrs_post_init__(self) -> None:
        calls = sum(isinstance(part, ToolCall) for part in self.parts)
        if calls != len(self.results):
            raise ValueError(f"it calls {calls} tools but has {len(self.results)} results")


@frozen
class Story:
    """A piece of work, from the prompt to the answer."""

    prompt: str
    steps: tuple[StoryStep, ...] = field(validator=min_len(1))


@frozen
class Role:
    """One agent's work."""

    name: str
    model: str
    stories: tuple[Story, ...] = field(validator=min_len(1))

    @property
    def work(self) -> Iterator[tuple[str, Story | Subagent]]:
        """All that is done, by this agent and by those it gives work to, each under a name of its own."""
        for number, story in enumerate(self.stories, 1):
            yield f"{self.name}_{number}", story
            for step in story.steps:
                yield from ((f"{self.name}_{number}_{agent.name}", agent) for agent in step.agents)


@cache
def roles() -> tuple[Role, ...]:
    """All agents' work."""
    folder = files(__package__).joinpath("roles")
    return tuple(
        parse(folder.joinpath(f"{name}.toml").read_text(encoding="utf-8"), f"roles/{name}.toml", Role)
        for name in _FILES
    )
