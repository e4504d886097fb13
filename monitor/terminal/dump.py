"""What went over the wire, as `clearspan show ID --raw` prints it: the monitor itself knows nothing of dumps."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import suppress

from bridge.limits import LIMITS
from bridge.terminal_text import symbols

CUT = "\n… there is more: clearspan show {id} --raw\n"


class DumpUnavailable(Exception):
    """There is none to be seen; the text says why, in one line."""


async def read(id_: str, options: Sequence[str]) -> str:
    """The dumps of an interception as harmless text, as much of them as a pager should get. Raises DumpUnavailable.

    `options` are those by which `clearspan show` finds the record.
    """
    command = (sys.executable, "-P", "-m", "bridge", "show", *options, "--raw", "--", id_)
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        errors = asyncio.create_task(_all_of(process.stderr, LIMITS.line_bytes))
        found = await _all_of(process.stdout, LIMITS.paged_dump_bytes + 1)
        if len(found) <= LIMITS.paged_dump_bytes:
            await errors
            if await process.wait():
                raise DumpUnavailable(_last_line(await errors))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    text = found[: LIMITS.paged_dump_bytes].decode("utf-8", "replace").replace("\r\n", "\n")
    harmless = await asyncio.to_thread(symbols, text)
    return harmless + CUT.format(id=symbols(id_)) if len(found) > LIMITS.paged_dump_bytes else harmless


async def _all_of(stream: asyncio.StreamReader | None, most: int) -> bytes:
    """What comes, up to so many bytes."""
    found = bytearray()
    while stream is not None and len(found) < most and (piece := await stream.read(min(65_536, most - len(found)))):
        found += piece
    return bytes(found)


def _last_line(errors: bytes) -> str:
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("clearspan: ") if lines else "clearspan show said nothing"
