"""Tool calls as the APIs stream them: an id and a name, then the arguments' text in pieces."""

from __future__ import annotations

from attrs import field

from bridge.apis.json_text import CutText, Shape, join_halves, loads, shape, well_formed
from bridge.apis.transcript import Transcript
from bridge.limits import LIMITS, Share
from bridge.value_classes import define


@define(eq=False)
class UnfinishedCall:
    """A call whose arguments are still coming. `given` are those that came whole with its beginning."""

    held: Share
    call_id: object = None
    tool: str = ""
    given: object = None
    verbatim: bool = False  # the arguments are a text as it is, not JSON
    pieces: list[str] = field(factory=list)
    size: int = 0
    cut: bool = False  # some piece has half a character in it

    def name(self, name: object) -> None:
        """The tool's name; the first counts, since some servers repeat it with every piece."""
        if isinstance(name, str) and not self.tool:
            self.tool = name

    def add(self, arguments: object) -> None:
        """A piece of the arguments' text, or all of them as JSON."""
        if not isinstance(arguments, str):
            self.given = arguments if arguments is not None else self.given
        elif self.size <= LIMITS.event_bytes and self.held.grow(len(arguments)):
            self.cut = self.cut or isinstance(arguments, CutText)
            self.pieces.append(getattr(arguments, "raw", arguments))
            self.size += len(arguments)

    def tell(self, transcript: Transcript) -> None:
        """The call is whole."""
        text = "".join(self.pieces)
        if self.cut:
            text = well_formed(join_halves(text))
        if text:
            arguments = text if self.verbatim else parsed_arguments(text)
        else:
            arguments = "" if self.given is None else self.given
        self.held.shrink(self.size)
        self.size = 0
        transcript.call(self.call_id, self.tool, arguments)


def parsed_arguments(text: object) -> object:
    """A call's arguments as JSON; the text itself where it is none, or too large or deep to be passed on as values."""
    if not isinstance(text, str):
        return text
    try:
        value = loads(text.encode())
    except ValueError:
        return text
    return value if shape(value) is Shape.USUAL else text
