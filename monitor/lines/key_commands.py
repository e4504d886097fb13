"""Which commands do something to which keys, and what a person is asked and told about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from bridge.events.key_health import Health, health
from bridge.events.values import KeyState
from bridge.events.vocabulary import KeyChanged
from monitor.lines import format as fmt

RESTING = (KeyState.TEMPORARY, KeyState.PERMANENT)

DOES: dict[str, Callable[[KeyChanged], bool]] = {
    "key.reset": lambda key: key.state in RESTING,
    "key.disable": lambda key: key.state is not KeyState.DISABLED,
    "key.enable": lambda key: key.state is KeyState.DISABLED,
}
"""The commands, each with the keys to which it does something."""


def named(keys: Sequence[KeyChanged]) -> str:
    """A key by its name, several by their number."""
    if len(keys) == 1:
        return f"{fmt.one_line(keys[0].provider)} {fmt.one_line(keys[0].key)}"
    return fmt.plural(len(keys), "key")


def probed(keys: Sequence[KeyChanged]) -> str:
    """What the bridge does with keys that are to be probed: it asks about dead ones itself."""
    dead = all(key.state is KeyState.PERMANENT for key in keys)
    return f"checking {named(keys)}" if dead else f"ended its rest: the next request may try {named(keys)}"


def left_over(keys: Sequence[KeyChanged], everything: Sequence[KeyChanged], now: datetime) -> str:
    """What a person should know before these are switched off."""
    gone = {(key.provider, key.key) for key in keys}
    left = {key.provider: 0 for key in keys}
    for key in everything:
        if key.provider in left and health(key, now) is Health.READY and (key.provider, key.key) not in gone:
            left[key.provider] += 1
    none = sorted(provider for provider, others in left.items() if not others)
    if len(left) > 1:
        names = ", ".join(map(fmt.one_line, none))
        return f"No valid key would be left of {names}." if none else "Others would be left of each provider."
    (others,) = left.values()
    return (
        f"{fmt.plural(others, 'valid key')} of this provider would be left."
        if others
        else "They are the last."
        if len(keys) > 1
        else "It is the last."
    )
