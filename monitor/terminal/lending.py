"""The monitor's terminal, lent to another program until that one ends: a pager, or a monitor that plays a log.

Meanwhile the monitor goes on taking in what comes, and paints nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define
from textual.app import App

from bridge.process import parent
from monitor.terminal import dump, pager


class NotLent(Exception):
    """It could not be; the text says why, in one line."""


@define
class LentTerminal:
    """An app's terminal. Everything here raises NotLent, and asyncio.CancelledError when the app is to end."""

    app: App[Any]
    record_options: Sequence[str] = ()
    """Those by which `clearspan show` finds the record."""

    is_lent: bool = False
    """Whether it is another's just now: then nothing may be painted."""

    async def page(self, text: str, name: str) -> None:
        """Shows a text under that name in a person's pager, until they leave it."""
        words = pager.command(os.environ)
        if not words:
            raise NotLent("there is no pager: set PAGER or EDITOR")
        await self._lend(partial(pager.read, text, name, words), words[0])

    async def page_dump(self, id_: str, name: str) -> None:
        """Shows what went over the wire."""
        try:
            text = await dump.read(id_, self.record_options)
        except dump.DumpUnavailable as error:
            raise NotLent(f"no dump: {error}") from None
        await self.page(text, name)

    async def play(self, log: str, theme: str) -> None:
        """Plays a recorded log, in a monitor of its own."""
        words = [sys.executable, "-P", "-m", "monitor", "--replay", log, "--theme", theme]
        await self._lend(partial(pager.run, words, parent.tied(os.environ)), Path(log).name)

    async def _lend(self, borrow: Callable[[], Coroutine[Any, Any, int]], name: str) -> None:
        driver = self.app._driver  # noqa: SLF001  Textual tells it only by an exception
        if driver is None or not driver.can_suspend:
            raise NotLent(f"{name} can't be opened here: a page is no terminal")
        trouble: OSError | asyncio.CancelledError | None = None
        self.is_lent = True
        with self.app.batch_update(), self.app.suspend():
            try:
                await borrow()
            except (OSError, asyncio.CancelledError) as error:
                trouble = error  # the terminal is ours again first
        self.is_lent = False
        if isinstance(trouble, OSError):
            raise NotLent(f"could not open {name}: {trouble.strerror or trouble}")
        if trouble is not None:
            raise trouble
