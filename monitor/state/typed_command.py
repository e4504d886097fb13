"""What is typed after `:`, as in `:session codex 2`: which command that is, what it is about, and what one may go on to
type. Pure.

A command is known by its beginning, as long as no other begins so. What it is about is looked for by words, in any
order; a number among them is the how manieth of what the other words find.
"""

from __future__ import annotations

import re

from attrs import Factory, frozen


@frozen
class Destination:
    """Something that a command may be about: what it is called, and what finds it again."""

    title: str
    name: str


@frozen
class TypedCommand:
    """A command: its word, what may follow, and what it does. `about` is the kind of what it is about."""

    word: str
    argument: str
    meaning: str
    about: str = ""


COMMANDS = (
    TypedCommand("live", "", "the requests"),
    TypedCommand("reasoning", "", "what agents think"),
    TypedCommand("keys", "", "the keys"),
    TypedCommand("request", "", "one request alone"),
    TypedCommand("totals", "", "what it all costs"),
    TypedCommand("session", "WORDS [NUMBER]", "read a session", "sessions"),
    TypedCommand("model", "WORDS", "list a model's requests", "models"),
    TypedCommand("client", "WORDS", "list a client's requests", "clients"),
    TypedCommand("key", "WORDS", "go to a key", "keys"),
    TypedCommand("filter", "[WORDS]", "list what matches; without words, all"),
    TypedCommand("since", "[1h]", "list the last hour (s, m, h, d); without a time, all"),
    TypedCommand("theme", "NAME", "change the colours", "themes"),
    TypedCommand("save", "", "export the request to a file"),
    TypedCommand("replay", "WORDS", "play a recorded log", "replays"),
    TypedCommand("help", "", "all keys"),
    TypedCommand("quit", "", "leave the monitor"),
)

TIME = re.compile(r"\d{1,4}[smhd]")


@frozen
class Destinations:
    """All that commands may be about, by kind."""

    of: dict[str, list[Destination]] = Factory(dict)


@frozen
class Choice:
    """What one may go on to type: as it is shown, what it does, and as it is typed."""

    text: str
    meaning: str
    typed: str


class NoCommand(Exception):
    """It is no command, or it is about nothing there is; the text says what there would be."""


def read(text: str, destinations: Destinations) -> tuple[TypedCommand, str]:
    """The command, and the name of what it is about, or the rest of the text. Raises NoCommand."""
    word, _, rest = text.strip().partition(" ")
    command, rest = _command(word), rest.strip()
    if command.about:
        return command, _destination(command, rest, destinations).name
    if command.word == "since" and rest and not TIME.fullmatch(rest):
        raise NoCommand(f"{rest!r} is no time: 30s, 5m, 1h, 2d")
    if rest and not command.argument:
        raise NoCommand(f"nothing follows {command.word}")
    return command, rest


def _command(word: str) -> TypedCommand:
    exact = [command for command in COMMANDS if command.word == word]
    found = exact or [command for command in COMMANDS if command.word.startswith(word.lower())]
    if not word or not found:
        raise NoCommand(f"there is no command {word!r}: Tab shows them")
    if len(found) > 1:
        raise NoCommand(f"{word!r} may be " + " or ".join(command.word for command in found))
    return found[0]


def _destination(command: TypedCommand, rest: str, destinations: Destinations) -> Destination:
    known = destinations.of.get(command.about, [])
    if not rest:
        raise NoCommand(f"{command.word} {command.argument}: which?")
    found = find(rest, known)
    if not found:
        raise NoCommand(f"no {command.word} is called {rest!r}")
    return found[0]


def find(text: str, known: list[Destination]) -> list[Destination]:
    """Those in whose title all words stand, numbers as words of their own; the whole title first. Where no title has
    the number, it is the how manieth of what the other words find."""
    words = text.lower().split()
    found = [destination for destination in known if all(_is_in(word, destination.title.lower()) for word in words)]
    if found:
        return sorted(found, key=lambda destination: destination.title.lower() != text.lower())
    numbers = [int(word) for word in words if word.isdecimal()]
    others = [word for word in words if not word.isdecimal()]
    found = [destination for destination in known if all(_is_in(word, destination.title.lower()) for word in others)]
    return found[numbers[0] - 1 : numbers[0]] if numbers and numbers[0] else []


def _is_in(word: str, title: str) -> bool:
    return word in title.split() if word.isdecimal() else word in title


def choices(text: str, destinations: Destinations) -> list[Choice]:
    """What one may go on to type."""
    word, space, rest = text.lstrip().partition(" ")
    if not space:
        return [_choice(command) for command in COMMANDS if command.word.startswith(word.lower())]
    try:
        command = _command(word)
    except NoCommand:
        return []
    if not command.about:
        return [_choice(command)]
    known = destinations.of.get(command.about, [])
    found = find(rest, known) if rest.strip() else known
    lines = [f"{command.word} {destination.title}" for destination in found]
    return [Choice(line, command.meaning, line) for line in lines]


def _choice(command: TypedCommand) -> Choice:
    line = f"{command.word} {command.argument}"
    return Choice(line.rstrip(), command.meaning, f"{command.word} " if command.argument else command.word)
