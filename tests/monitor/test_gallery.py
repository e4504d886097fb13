"""The gallery: which pictures there are, and that one of them is drawn."""

from __future__ import annotations

from pathlib import Path

from scripts import gallery


def test_every_view_is_drawn_at_every_size_and_in_every_theme() -> None:
    names = [picture.name for agents in ("one", "twelve") for picture in gallery.pictures(agents)]
    assert len(names) == len(set(names)) == 2 * 9 * (5 + 3)
    assert {"live-60x20-one-dark", "keys-200x60-twelve-dark", "lost-120x36-one-mono"} <= set(names)


def test_a_picture_shows_what_its_name_says(tmp_path: Path) -> None:
    gallery.draw(tmp_path / "new", ["keys-60x20-one"])
    (path,) = (tmp_path / "new").iterdir()
    assert path.name == "keys-60x20-one-dark.svg"
    assert "ready" in path.read_text(encoding="utf-8")
