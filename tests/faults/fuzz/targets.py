"""All kinds of input, by name."""

from __future__ import annotations

from importlib.util import find_spec

from tests.faults.fuzz.arena import Target
from tests.faults.fuzz.bodies import JSON
from tests.faults.fuzz.front import FRONT
from tests.faults.fuzz.streams import SSE
from tests.faults.fuzz.subscribers import SOCKET
from tests.faults.fuzz.upstream import UPSTREAM
from tests.faults.fuzz.web import WEB

TARGETS: dict[str, Target] = {target.name: target for target in (FRONT, JSON, SSE, UPSTREAM, SOCKET)}
if find_spec("textual_serve") is not None:
    TARGETS[WEB.name] = WEB
