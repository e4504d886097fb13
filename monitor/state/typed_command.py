"""What is typed after `:`, as in `:session codex 2`: which command that is, what it is about, and what one may go on to
type. Pure.

A command is known by its beginning, as long as no other begins so. What it is about is looked for by what it is called
first, then by how its title begins, then by words in any order. `codex 2` is a name, and means no other session.
"""

from __future__ import annotations

import re

from attrs import Factory, frozen


@frozen
class Destination:
    """Something that a command may be about: its title, what finds it again, and what it is called where the title
    says more. What is gone has a title only to be refused by."""

    title: str
    name: str
    called: str = ""
    is_gone: bool = False


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
    TypedCommand("session", "NAME", "read a session: codex 2, or some of its words", "sessions"),
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
class CommandChoice:
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
    if found and found[0].is_gone:
        raise NoCommand(f"{found[0].called} is here no more: clearspan history has what is recorded of it")
    if not found or (_is_name(rest, known) and not _is_called(rest, found[0])):
        raise NoCommand(f"no {command.word} is called {rest!r}")
    return found[0]


def find(text: str, known: list[Destination]) -> list[Destination]:
    """The one that is called so, or so in short; then those whose titles begin so, with whole words or not; then those
    in whose title all words stand, numbers as words of their own."""
    wanted = _plain(text)
    words = wanted.split()

    def rank(destination: Destination) -> int | None:
        title = _plain(destination.title)
        if _is_called(text, destination):
            return 1 if destination.is_gone else 0
        if destination.is_gone:
            return None
        if _is_short_for(words, _plain(destination.called)):
            return 2
        if title.startswith(wanted):
            return 3 if title.startswith(f"{wanted} ") else 4
        return 5 if all(_is_in(word, title) for word in words) else None

    ranked = [(place, destination) for destination in known if (place := rank(destination)) is not None]
    return [destination for _place, destination in sorted(ranked, key=lambda entry: entry[0])]


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _is_called(text: str, destination: Destination) -> bool:
    return _plain(text) in (_plain(destination.called or destination.title), _plain(destination.title))


def _is_short_for(words: list[str], called: str) -> bool:
    """Whether they are some of what a session's client is called, and its number: claude 1."""
    client, _, number = called.rpartition(" ")
    return len(words) > 1 and words[-1] == number and all(word in client for word in words[:-1])


def _is_name(text: str, known: list[Destination]) -> bool:
    """Whether a text is a client and a number, as sessions are called, of a client that there is."""
    client, _, number = _plain(text).rpartition(" ")
    clients = {_plain(destination.called).rpartition(" ")[0] for destination in known if destination.called}
    return number.isdecimal() and client in clients


def _is_in(word: str, title: str) -> bool:
    return word in title.split() if word.isdecimal() else word in title


def choices(text: str, destinations: Destinations) -> list[CommandChoice]:
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
    found = [each for each in (find(rest, known) if rest.strip() else known) if not each.is_gone]
    lines = [f"{command.word} {destination.title}" for destination in found]
    return [CommandChoice(line, command.meaning, line) for line in lines]


def _choice(command: TypedCommand) -> CommandChoice:
    line = f"{command.word} {command.argument}"
    return CommandChoice(line.rstrip(), command.meaning, f"{command.word} " if command.argument else command.word)
