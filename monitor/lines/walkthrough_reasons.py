"""Why each step of the walkthrough is as it is, in one sentence, and where in this repository that is done.

A test holds the places true: each names a module and what is defined in it.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

Kind = Literal[
    "asked", "guard", "own key", "pool", "next key", "waiting", "back", "next round", "attempt", "with tools",
    "key limited", "key refused", "provider failed", "no answer", "answered", "passed on", "relay", "copy", "prompt",
    "thought", "withheld", "tool", "own tool", "answer", "tokens", "events", "ended", "failed",
    "cancelled", "no key", "rejected",
]  # fmt: skip
"""What a step is an example of."""


@frozen
class Reason:
    """Why, and the place of the code: a module below the repository's root, and a function or method in it."""

    why: str
    code: str

    @property
    def place(self) -> str:
        """The code's place for people."""
        module, _, name = self.code.partition(":")
        return f"{module.replace('.', '/')}.py · {name}"


REASONS: dict[Kind, Reason] = {
    "asked": Reason(
        "the bridge tells what is asked before it does anything else, so that nothing can happen unseen.",
        "bridge.interception.interception:Interceptor._read_request",
    ),
    "guard": Reason(
        "any web page in a browser may send requests to this machine, and would spend the keys.",
        "bridge.access:HostGuard.check",
    ),
    "own key": Reason(
        "who brings a key pays with it; another's would be spent without being asked.",
        "bridge.interception.caller:identify",
    ),
    "pool": Reason(
        "an agent stays with its key while that serves, so that the provider's cache, one account's, stays warm.",
        "bridge.keys.pool:KeyPool._pick",
    ),
    "next key": Reason(
        "what a client has not seen can be done again; each key is tried at most once in a request.",
        "bridge.keys.walk:Walk.next",
    ),
    "waiting": Reason(
        "`wait_for_key` allows it, and a key is back before that time is up: an agent waits better than it fails.",
        "bridge.interception.failover:Failover._key_later",
    ),
    "back": Reason(
        "each key is tried once in a request, and once more after a wait that it was the reason for.",
        "bridge.keys.walk:Walk.resume",
    ),
    "next round": Reason(
        "each round is a walk through the keys of its own: a key that is limited meanwhile ends nothing.",
        "bridge.interception.tool_loop:ToolLoop.run",
    ),
    "attempt": Reason(
        "only the credential is exchanged; what the bridge does not touch it cannot break.",
        "bridge.interception.failover:Failover._begin_attempt",
    ),
    "with tools": Reason(
        "the tools are spliced into the request's text, so that every other byte stays as the client sent it.",
        "bridge.interception.interception:Interceptor._inject",
    ),
    "key limited": Reason(
        "the provider says when the key may come back; until then each request with it would be lost time.",
        "bridge.keys.verdict:judge",
    ),
    "key refused": Reason(
        "a refused key stays refused until its owner mends it; the bridge checks it now and then by itself.",
        "bridge.keys.key:Key.fail",
    ),
    "provider failed": Reason(
        "an overloaded provider may still serve another account; where none serves, its own words are passed on.",
        "bridge.keys.verdict:judge",
    ),
    "no answer": Reason(
        "the provider was not reached or did not answer in time, which says nothing against the key.",
        "bridge.interception.failover:Failover._note_no_response",
    ),
    "answered": Reason(
        "two answers cannot be glued together: the second model would not know what the first one said.",
        "bridge.interception.failover:Failover._serve",
    ),
    "passed on": Reason(
        "the fault is in the request, so every key would get the same, and the agent can read what is wrong.",
        "bridge.interception.failover:Failover._judge",
    ),
    "relay": Reason(
        "an agent gets exactly what the provider sent, so that it works as if there were no bridge.",
        "bridge.interception.relay:Relay.run",
    ),
    "copy": Reason(
        "the client comes first: each piece is sent, and only then read.",
        "bridge.interception.relay:Relay._read",
    ),
    "prompt": Reason(
        "a request holds the whole conversation; what a person asked last says best what it is about.",
        "bridge.apis.protocol:RequestFacts",
    ),
    "thought": Reason(
        "thoughts come in the answer beside the text; most agents show little of them, and the monitor shows all.",
        "bridge.apis.readers:AnswerReader.feed",
    ),
    "withheld": Reason(
        "it is the provider that keeps it back or encrypts it; the bridge shows all that comes, and this did not.",
        "bridge.apis.readers:AnswerReader.feed",
    ),
    "tool": Reason(
        "the model cannot run anything: the agent runs the tool and sends the result with its next request.",
        "bridge.apis.tool_calls:parsed_arguments",
    ),
    "own tool": Reason(
        "the client does not know this tool: the bridge runs it and asks the model again, inside one request.",
        "bridge.tools.servers:SessionTools.call",
    ),
    "answer": Reason(
        "the reader puts the pieces of the stream together; the client has had them already.",
        "bridge.apis.readers:AnswerReader.feed",
    ),
    "tokens": Reason(
        "the provider counts, not the bridge; what the tokens cost is added from a list of prices.",
        "bridge.interception.telling:Pricing",
    ),
    "events": Reason(
        "telling never waits: a subscriber has a queue with a bound, and one that is too slow gets a fresh snapshot.",
        "bridge.events.hub:Hub.publish",
    ),
    "ended": Reason(
        "however a request ends, its end is told once, in a `finally`.",
        "bridge.interception.lifecycle:Reporter.ended",
    ),
    "failed": Reason(
        "an error in the shape of its own API is one that an agent knows how to take.",
        "bridge.interception.interception:Interceptor._break_off",
    ),
    "cancelled": Reason(
        "one nursery holds all that a request has started; it is cancelled as a whole, whoever asked for it.",
        "bridge.interception.lifecycle:Cancellation.cancel",
    ),
    "no key": Reason(
        "no key is left to try, and none will be back in time: an honest `Retry-After` lets the agent wait by itself.",
        "bridge.keys.walk:exhausted",
    ),
    "rejected": Reason(
        "what may not come in costs no key and reaches no provider.",
        "bridge.errors:Refused",
    ),
}
