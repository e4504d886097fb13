"""Draws the pictures of the monitor into docs/pictures, from the scene in scripts/scene.py, always the same.

`scripts/screenshots` draws all, `scripts/screenshots help keys` those whose names begin so. `--log FILE` writes the
scene as the JSON lines that `clearspan tail --json` would print, ready for `clearspan monitor --replay FILE`.
`--gallery DIR` draws every view at every size into another directory, to be looked at (`scripts/gallery.py`).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bridge.events.wire import Envelope, encode
from monitor.app import MonitorApp
from monitor.state.state import Lost
from monitor.styles import themes
from scripts import gallery, scene
from scripts.picture import Nobody, plain

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
    parser.add_argument("--gallery", type=Path, metavar="DIR", help="draw every view at every size there instead")
    options = parser.parse_args()
    if options.gallery:
        gallery.draw(options.gallery, options.names)
        return
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
