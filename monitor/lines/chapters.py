"""The chapters of the walkthrough: what each shows, and the question at its end. What is played stands, in the same
order, in `bridge/simulator/lessons.py`."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, frozen

from bridge.events.entries import Interception
from monitor.lines.walkthrough import steps
from monitor.lines.walkthrough_attempts import with_tools
from monitor.lines.walkthrough_step import Place, WalkthroughStep
from monitor.state.trace import Trace


@frozen
class Chapter:
    """One chapter. It has `requests` requests, of which `failovers` attempts fail, and ends with a question.
    `pause` says what a step makes happen once the answer has begun; without, it goes on by itself."""

    title: str
    question: str
    answer: str
    requests: int = 1
    failovers: int = 0
    stepped: bool = True
    pause: str = ""
    tools: bool = False
    """It needs an MCP server that is ready."""


CHAPTERS = (
    Chapter(
        "It works",
        "The provider sees a key of the pool. Which key did the agent send?",
        "None of worth: the word `clearspan` in its place. The keys stay with the bridge, however many agents there "
        "are, and no agent can lose one.",
    ),
    Chapter(
        "A key is rate limited",
        "Two keys were tried for one request. How much of the first try did the agent notice?",
        "Nothing but the time it took: it had seen 0 bytes when the next key was tried, and got one answer, whole.",
        failovers=1,
    ),
    Chapter(
        "A key is dead",
        "A limited key comes back by itself. Why does a refused one not?",
        "A limit passes with time; a refused key was revoked, or mistyped. So it is left out of all requests, and only "
        "checked now and then by asking for the list of models, which costs nothing.",
        failovers=1,
    ),
    Chapter(
        "All keys cool: wait or 429",
        "The first request waited and was served, the second got a 429 at once. What made the difference?",
        "The time: `wait_for_key` was 8 s here. The first key was to be back in 6 s, so waiting was allowed; then in "
        "90 s, so the agent was told with `Retry-After` when to come again.",
        requests=2,
        failovers=6,
        stepped=False,
    ),
    Chapter(
        "The client leaves",
        "Who pays for the part of the answer that nobody will read?",
        "Nobody: the connection to the provider is closed in the same moment, and the provider stops. What it had "
        "written by then is billed all the same.",
        pause="The answer comes, and the agent wants no more of it. space makes it leave.",
    ),
    Chapter(
        "Why can't I see the thoughts?",
        "Would another setting of the bridge show these thoughts?",
        "No. They came encrypted, and only the provider has the key. What can help is the agent's own setting: to ask "
        "for summaries, where the model has any.",
    ),
    Chapter(
        "A tool of the bridge's own",
        "The agent offered no tool that adds. What did it see of this one?",
        "Nothing: it got one answer to its one request. The bridge put the tool in, ran it at its MCP server when the "
        "model called it, and asked the model again with the result.",
        tools=True,
    ),
)


def told(
    chapter: Chapter, requests: list[Interception], trace: Callable[[str], Trace | None]
) -> list[tuple[Interception, WalkthroughStep]]:
    """All steps of a chapter's requests so far; with the question and its answer once the last one has ended."""
    found = [
        (request, _put(chapter, step, first=request is requests[0]))
        for request in requests
        for step in steps(request, trace(request.id))
    ]
    if found and len(requests) >= chapter.requests and not requests[-1].live:
        request, last = found[-1]
        asked = evolve(last, key="question", text=chapter.question, event="", quote="", tone="strong", quiz=True)
        found += [(request, asked), (request, evolve(asked, key="solution", text=chapter.answer))]
    return found


def _put(chapter: Chapter, step: WalkthroughStep, *, first: bool) -> WalkthroughStep:
    """The step in the chapter's words."""
    if step.kind == "asked" and not first:
        return evolve(step, text=f"The agent sends another request. {step.text}")
    if step.kind == "attempt" and chapter.tools:
        return with_tools(step)
    return step


def what_follows(chapter: Chapter, step: WalkthroughStep) -> str:
    """What a person may wait for at the last step of what still runs."""
    if not chapter.stepped:
        return "This chapter is about time, so it runs by itself."
    if step.place is Place.ATTEMPT:
        return "All stands still. space lets the provider answer."
    return chapter.pause or "It goes on by itself."
