"""Draws the pictures of the monitor into docs/pictures, from the scene in scripts/scene.py, always the same.

`scripts/screenshots` draws all, `scripts/screenshots help keys` those whose names begin so. `--log FILE` writes the
scene as the JSON lines that `clearspan tail --json` would print, ready for `clearspan monitor --replay FILE`.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bridge.events.wire import Command, Envelope, Reply, encode
from monitor.app import MonitorApp
from monitor.sources.bridge_socket import Deliver
from monitor.state.state import Lost
from monitor.styles import themes
from scripts import scene

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"

SIZES = {"80x24": (80, 24), "120x36": (120, 36), "200x60": (200, 60)}

THEMES = tuple(name for name in themes.NAMES if name != themes.DARK)
"""Each has a picture of the live view; all others are in the first theme."""

SHOTS: dict[str, tuple[str, ...]] = {
    "live": (),
    "lost": (),
    "help": ("question_mark",),
    "reasoning": ("2",),
    "keys": ("3",),
    "request": ("4",),
    "totals": ("5",),
    "walkthrough": ("t", "f"),
    "palette": ("ctrl+p",),
    **dict.fromkeys(THEMES, ()),
}
"""Each view and the keys that lead to it."""

ONE_SIZE = {"lost", "help", "palette", *THEMES}
"""What looks much the same at every size: one picture, at 120x36."""

FONTS = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
"""What is on the reader's machine: a picture of ours asks no server for a font."""

FONT_SIZE = 20.25
"""Pixels. At this size most fonts' glyphs are as wide as a cell, for renderers that don't stretch text to fit."""

SPACE = "&#160;"
CELL = 12.2
TEXT = re.compile(
    rf'(<text [^>]*?)x="([\d.]+)"([^>]*?)textLength="([\d.]+)"([^>]*)>((?:{SPACE})*)(.*?)((?:{SPACE})*)</text>'
)


class Nobody:
    """A source that says nothing: the pictures' messages are all there before the first frame."""

    async def run(self, deliver: Deliver) -> None:
        """Waits for ever."""
        del deliver
        await asyncio.Event().wait()

    async def send(self, command: Command) -> Reply:
        """Nobody answers."""
        return Reply(command.n, ok=False, error="this is a picture")


async def draw(name: str, size: tuple[int, int]) -> str:
    """One picture as SVG."""
    last = scene.BEGAN + timedelta(seconds=scene.LAST_S)
    now = last + timedelta(seconds=12) if name == "lost" else last
    theme = name if name in THEMES else None
    app = MonitorApp(Nobody(), "/run/user/1000/clearspan/events.sock", clock=lambda: now, theme=theme)
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for message in scene.messages():
            app.state.apply(message, message.at if isinstance(message, Envelope) else scene.BEGAN)
        if name == "lost":
            app.state.apply(Lost("the bridge closed the connection"), last)
        for key in ("", "", *SHOTS[name], ""):  # sizes that change in one frame are known in the next
            if key:
                await pilot.press(key)
            app.paint()
            await pilot.pause()
        return plain(app.export_screenshot(title="Clearspan"), name)


def plain(svg: str, name: str) -> str:
    """The picture without web fonts, and with ids that do not change from one run to the next."""
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code, monospace", f"font-family: {FONTS}")
    svg = svg.replace("font-family: arial", "font-family: system-ui, sans-serif")
    svg = re.sub(r"\s*<!-- Generated with Rich .*?-->", "", svg)
    svg = svg.replace("font-size: 20px", f"font-size: {FONT_SIZE}px")
    svg = re.sub(r"terminal-\d+", f"clearspan-{name}", svg)
    svg = TEXT.sub(_without_margins, svg)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def _without_margins(match: re.Match[str]) -> str:
    """A piece of text begins and ends with what can be seen: some renderers leave out spaces at its ends."""
    begin, x, middle, length, end, before, text, after = match.groups()
    before_cells, after_cells = len(before) // len(SPACE), len(after) // len(SPACE)
    at = float(x) + before_cells * CELL
    wide = float(length) - (before_cells + after_cells) * CELL
    stretch = 'lengthAdjust="spacingAndGlyphs"'
    return f'{begin}x="{at:g}"{middle}textLength="{wide:g}" {stretch}{end}>{text}</text>' if text else ""


def wanted(names: list[str]) -> Iterator[tuple[str, str]]:
    """Which pictures to draw: view and size."""
    for name in SHOTS:
        if not names or any(name.startswith(beginning) for beginning in names):
            for size in ("120x36",) if name in ONE_SIZE else SIZES:
                yield name, size


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which pictures; all without any")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write the scene as JSON lines instead")
    options = parser.parse_args()
    if options.log:
        options.log.write_bytes(b"".join(map(encode, scene.messages())))
        return
    PICTURES.mkdir(exist_ok=True)
    for name, size in wanted(options.names):
        path = PICTURES / (f"{name}.svg" if name in ONE_SIZE else f"{name}-{size}.svg")
        path.write_text(asyncio.run(draw(name, SIZES[size])), encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
