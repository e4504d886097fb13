"""The scripted agents: their stories hold together, every kind of answer is met, and nothing stops them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from bridge.simulator.agents import _TRIES, run_agents
from bridge.simulator.answers import Commentary, HiddenThought, ScriptedThought, ToolCall
from bridge.simulator.delivery import AsgiReceive, AsgiSend, ReplyEnding
from bridge.simulator.demo import DEMO_SCENARIO, demo_keys
from bridge.simulator.provider import SimulatedExchange
from bridge.simulator.scenario.stories import StoryStep, roles
from tests.simulator.serving import provider, serving
from tests.support.simulated import SPEED

STEPS = [step for role in roles() for _, work in role.work for step in work.steps]


def names() -> list[str]:
    """The name of each step's good answer."""
    return [
        f"{title}_{count}" for role in roles() for title, work in role.work for count, _ in enumerate(work.steps, 1)
    ]


def test_every_kind_of_answer_is_in_the_stories() -> None:
    def calls(step: StoryStep) -> list[ToolCall]:
        return [part for part in step.parts if isinstance(part, ToolCall)]

    kinds: dict[str, Callable[[StoryStep], bool]] = {
        "plain": lambda step: len(step.parts) == 1 and not step.results,
        "reasoning": lambda step: sum(isinstance(part, ScriptedThought) for part in step.parts) > 1,
        "commentary": lambda step: any(isinstance(part, Commentary) for part in step.parts),
        "function_call": lambda step: any(isinstance(call.arguments, dict) for call in calls(step)),
        "custom_tool_call": lambda step: any(isinstance(call.arguments, str) for call in calls(step)),
        "parallel_calls": lambda step: len(calls(step)) > 1,
        "encrypted_reasoning": lambda step: any(isinstance(part, HiddenThought) for part in step.parts),
        "incomplete": lambda step: step.mishap.incomplete is not None,
        "failed": lambda step: step.mishap.failed is not None,
        "error": lambda step: step.mishap.error is not None,
        "dropped": lambda step: step.mishap.dropped is not None,
        "silence": lambda step: step.mishap.silence is not None,
        "slow": lambda step: step.mishap.slow is not None,
    }
    assert [kind for kind, shows in kinds.items() if not any(map(shows, STEPS))] == []


def test_every_step_has_its_own_cue() -> None:
    cues = [work.prompt for role in roles() for _, work in role.work]
    cues += [step.results[-1] for step in STEPS if step.results]
    assert [cue for cue, times in Counter(cues).items() if times > 1] == []
    assert len(DEMO_SCENARIO.rules) == len(STEPS)
    for cue in cues:
        assert sum(rule.when.search(cue) is not None for rule in DEMO_SCENARIO.rules) == 1


def test_the_demos_keys_are_three_and_tell_their_nature() -> None:
    assert len(set(demo_keys())) == 3
    assert all(key.startswith("sk-demo-") and "canary" in key for key in demo_keys())


async def test_one_round_tells_every_story_to_its_end() -> None:
    exchanges: list[SimulatedExchange] = []
    app = provider(DEMO_SCENARIO, on_exchange=exchanges.append)
    async with serving(app) as url:
        await run_agents(f"{url}/v1", rounds=1, speed=SPEED)
    told = [exchange.reply.answer for exchange in exchanges if exchange.ending is ReplyEnding.COMPLETED]
    assert set(names()) <= set(told)
    broken = [name for name, answer in DEMO_SCENARIO.answers.items() if name.endswith("_broken")]
    assert set(broken) <= {exchange.reply.answer for exchange in exchanges}
    assert Counter(told).most_common(1)[0][1] == 1
    assert [exchange.ending for exchange in exchanges].count(ReplyEnding.DROPPED) == 1
    agents = {exchange.request.headers["user-agent"].partition("/")[0] for exchange in exchanges}
    assert agents == {"codex_exec", "connect-es", "AsyncOpenAI", "grok-shell"}


async def test_agents_that_work_for_another_share_its_session_and_are_done_before_it_goes_on() -> None:
    exchanges: list[SimulatedExchange] = []
    app = provider(DEMO_SCENARIO, on_exchange=exchanges.append)
    async with serving(app) as url:
        await run_agents(f"{url}/v1", rounds=1, speed=SPEED)
    of_session = [exchange for exchange in exchanges if "x-grok-session-id" in exchange.request.headers]
    assert len({exchange.request.headers["x-grok-session-id"] for exchange in of_session}) == 1
    agents = [exchange.request.headers.get("x-grok-agent-id", "").partition("-")[0] for exchange in of_session]
    assert (agents[0], agents[-1]) == ("", "")
    assert Counter(agents) == {"": 2, "import": 2, "writers": 2}


async def test_agents_carry_on_through_errors() -> None:
    inner = provider(DEMO_SCENARIO)
    seen = 0

    async def moody(scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        """Every second request is refused: limited, or as a bridge without a key would."""
        nonlocal seen
        seen += scope["type"] == "http"
        if scope["type"] != "http" or seen % 2:
            await inner(scope, receive, send)
            return
        while (await receive()).get("more_body"):
            pass
        status, headers = (429, [(b"retry-after", b"0")]) if seen % 4 else (502, [])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    async with serving(moody) as url:
        await run_agents(f"{url}/v1", rounds=1, speed=SPEED)
    assert seen > 2 * len(STEPS)


async def test_agents_give_up_where_nobody_answers() -> None:
    tries = 0

    async def hang_up(stream: trio.SocketStream) -> None:
        nonlocal tries
        tries += 1
        await stream.aclose()

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, hang_up, [listener])
        port = listener.socket.getsockname()[1]
        await run_agents(f"http://127.0.0.1:{port}/v1", rounds=1, speed=SPEED)
        nursery.cancel_scope.cancel()
    assert tries == _TRIES * sum(len(role.stories) for role in roles())


async def test_agents_go_on_for_ever() -> None:
    exchanges: list[SimulatedExchange] = []
    twice = trio.Event()

    def count(exchange: SimulatedExchange) -> None:
        exchanges.append(exchange)
        if len(exchanges) == 3 * len(STEPS):
            twice.set()

    app = provider(DEMO_SCENARIO, on_exchange=count)
    async with serving(app) as url, trio.open_nursery() as agents:
        agents.start_soon(partial(run_agents, f"{url}/v1", speed=SPEED, seed=3))
        with trio.fail_after(30):
            await twice.wait()
        agents.cancel_scope.cancel()
    assert Counter(exchange.reply.answer for exchange in exchanges).most_common(1)[0][1] > 1
