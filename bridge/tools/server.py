"""One MCP server over time: begun, listed, watched, and begun again when it fails.

Its task owns the connection; calls come from the tasks of interceptions, use what is there, and wait for no more than
the next try where nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

import trio

from bridge.apis.injection import ToolResult
from bridge.config.settings import McpServerSettings
from bridge.events.values import ServerState
from bridge.events.vocabulary import ServerChanged
from bridge.observe.logs import logger
from bridge.tools.catalogue import ListedTool, ReadyServer, ToolFilter
from bridge.tools.results import tool_result

if TYPE_CHECKING:
    from bridge.tools.connection import ToolConnection

log = logger("tools")

OPENING_S = 60.0
"""How long a server may take to begin and to list its tools, in seconds: some are fetched from a registry first."""

CALL_S = 60.0
"""How long a call may take, in seconds."""

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
"""How long a failed server rests before it is tried again: from the first doubled to the last."""

LOOK_S = 30.0
"""How often an idle server is asked whether it is there, in seconds."""

RELIST_S = 1.0
"""How often a list is read again at most, in seconds."""

ERROR_CHARACTERS = 300
"""Of what went wrong with a server."""


class ServerFault(Exception):
    """What a server did wrong, in words for its owner and for a model."""


class Connect(Protocol):
    """`bridge.tools.connection.connected`, which is loaded where a server is configured."""

    def __call__(
        self, name: str, settings: McpServerSettings, environment: Mapping[str, str], changed: Callable[[], None], /
    ) -> AbstractAsyncContextManager[ToolConnection]:
        """A server that has begun, while the block runs."""


class ToolServer:
    """A configured server. `run` keeps it going until it is cancelled.

    `publish` gets a `server.changed` whenever it is another than before, and `relisted` is called when its tools are.
    """

    def __init__(
        self,
        name: str,
        settings: McpServerSettings,
        publish: Callable[[ServerChanged], None],
        relisted: Callable[[], None],
    ) -> None:
        self.name = name
        self.settings = settings
        self.state = ServerState.STARTING
        self.error: str | None = None
        self.listed: tuple[ListedTool, ...] = ()
        self.scope = trio.CancelScope()
        self._publish = publish
        self._relisted = relisted
        self._connection: ToolConnection | None = None
        self._told: ServerChanged | None = None
        self._wake = trio.Event()
        self._is_stale = False
        self._calls = 0
        self._began = -inf
        self._outcome = trio.Event()  # of the try that runs, or comes next

    @property
    def filter(self) -> ToolFilter:
        """Which of its tools are offered."""
        return ToolFilter(self.settings.allow, self.settings.deny)

    @property
    def offered(self) -> ReadyServer | None:
        """What it has for models now; None where it is not ready."""
        if self.state is not ServerState.READY:
            return None
        allowed = (tool for tool in self.listed if self.filter.allows(tool.name))
        return ReadyServer(self.name, self.settings.shown_url(self.name), tuple(allowed))

    def refilter(self, settings: McpServerSettings) -> None:
        """Takes over settings that differ in `allow` and `deny` alone."""
        self.settings = settings
        self.tell()

    async def run(self, connect: Connect, environment: Callable[[], Mapping[str, str]]) -> None:
        """Begins the server, and again whenever it fails. `environment` is what its program gets to know."""
        try:
            with self.scope:
                self.tell()
                await self._keep_going(connect, environment)
        finally:
            self.state, self.error = ServerState.FAILED, "it is stopped"
            self._tried()

    async def _keep_going(self, connect: Connect, environment: Callable[[], Mapping[str, str]]) -> None:
        delay = FIRST_RETRY_S
        while True:
            self._began = trio.current_time()
            try:
                await self._serve(connect, environment())
            except* ServerFault as group:
                self._fail(_reason(group))
            except* trio.TooSlowError:
                self._fail(f"it did not begin, or list its tools, within {OPENING_S:g} s")
            except* Exception:  # a boundary: a server's fault, or ours with it, stays with this server
                log.exception("a tool server failed", server=self.name)
                self._fail("the bridge failed with it; its log says why")
            if trio.current_time() - self._began > LAST_RETRY_S:
                delay = FIRST_RETRY_S
            self._wake = trio.Event()
            with trio.move_on_after(delay):
                await self._wake.wait()
            delay = min(2 * delay, LAST_RETRY_S)

    async def _serve(self, connect: Connect, environment: Mapping[str, str]) -> None:
        try:
            with trio.CancelScope(deadline=trio.current_time() + OPENING_S) as opening:
                async with connect(self.name, self.settings, environment, self._note_change) as connection:
                    await self._list(connection)
                    opening.deadline = inf
                    self._connection = connection
                    self.state, self.error = ServerState.READY, None
                    self.tell()
                    self._tried()
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(connection.follow, self._note_change)
                        await self._watch(connection)
            if opening.cancelled_caught:
                raise trio.TooSlowError
        finally:
            self._connection = None

    async def _watch(self, connection: ToolConnection) -> None:
        """Looks after a server that is ready; only its faults end it."""
        while True:
            self._wake = trio.Event()
            if not self._is_stale:
                with trio.move_on_after(LOOK_S):
                    await self._wake.wait()
            if self._is_stale:
                await self._list(connection)
                self.tell()
                await trio.sleep(RELIST_S)
            elif connection.is_lost:
                raise ServerFault("it does not know our session any more")
            elif self.settings.url and not self._calls:  # one that is busy need not answer; a program's end is seen
                await connection.look()

    async def _list(self, connection: ToolConnection) -> None:
        self._is_stale = False
        with trio.fail_after(OPENING_S):
            tools, remarks = await connection.tools()
        self.listed = tuple(sorted(tools, key=lambda tool: tool.name))
        for remark in remarks:
            log.warning("a tool server's list is not all taken", server=self.name, because=remark)

    def _note_change(self) -> None:
        self._is_stale = True
        self._wake.set()

    def _fail(self, error: str) -> None:
        self.state, self.error = ServerState.FAILED, error[:ERROR_CHARACTERS]
        self.tell()
        self._tried()

    def _tried(self) -> None:
        self._outcome.set()
        self._outcome = trio.Event()

    def tell(self) -> None:
        """Says how it is, where that is another thing than was said last."""
        if self.scope.cancel_called:  # it is told of no more
            return
        self._relisted()
        offered = self.offered
        event = ServerChanged(self.name, self.state, len(offered.tools) if offered else 0, self.error)
        if event != self._told:
            self._told = event
            self._publish(event)

    async def call(self, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Runs one call within `CALL_S`. Never raises but for being cancelled."""
        with trio.move_on_after(CALL_S):
            try:
                return await self._call(tool, arguments)
            except ServerFault as fault:
                return ToolResult(error=str(fault)[:ERROR_CHARACTERS])
            except Exception:  # a boundary: whatever a server does, its call has a result
                log.exception("a tool call failed inside the bridge", server=self.name)
                return ToolResult(error="the bridge failed; its log says why")
        return ToolResult(error=f"no answer within {CALL_S:g} s")

    async def _call(self, tool: str, arguments: dict[str, Any]) -> ToolResult:
        connection = await self._reached()
        if not self.filter.allows(tool) or all(tool != listed.name for listed in self.listed):
            return ToolResult(error=f"unknown tool {tool!r}")
        self._calls += 1
        try:
            return tool_result(await connection.call(tool, arguments))
        except ServerFault:
            self._wake.set()  # perhaps it is gone
            if not connection.is_lost:
                raise
        finally:
            self._calls -= 1
        # It began anew since we spoke last, and so did nothing of what it was asked.
        if self._connection is connection:
            await self._outcome.wait()
        return tool_result(await (await self._reached()).call(tool, arguments))

    async def _reached(self) -> ToolConnection:
        """The connection, where there is none that of the try which runs or, as it is wanted, begins now. Raises
        ServerFault."""
        recently = trio.current_time() - self._began < FIRST_RETRY_S and self.state is ServerState.FAILED
        if self._connection is None and not recently:
            outcome = self._outcome
            self._wake.set()
            await outcome.wait()
        if self._connection is None:
            raise ServerFault(f"the server {self.name!r} is not there: {self.error}")
        return self._connection


def _reason(group: BaseExceptionGroup[ServerFault]) -> str:
    """What went wrong, in the words of whoever knows it best: that a connection is closed is seen by all who use it."""
    texts = [str(fault) for fault in _leaves(group)]
    return next((text for text in texts if not text.endswith("Connection closed")), texts[0])


def _leaves(group: BaseException) -> Iterator[BaseException]:
    if not isinstance(group, BaseExceptionGroup):
        yield group
        return
    for inner in group.exceptions:
        yield from _leaves(inner)
