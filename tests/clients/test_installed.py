"""An agent that is not there is told with the reason, and an installation that fails leaves nothing half-done."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.clients import installed
from tests.clients.installed import NotInstalled, install, main, program


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(installed, "PLACE", tmp_path / "agents")
    return tmp_path / "agents"


def test_what_was_never_installed_says_who_installs_it() -> None:
    with pytest.raises(NotInstalled, match=r"@openai/codex \S+ is not installed: scripts/agents installs it"):
        program("codex")


def test_why_it_could_not_be_installed_is_known_later(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place))
    assert main(["codex"]) == 1
    assert main(["no-such-agent"]) == 2
    with pytest.raises(NotInstalled, match="is not installed: node and npm are not installed"):
        program("codex")
    assert not installed.PACKAGES["codex"].folder.exists()


def test_an_installation_that_takes_too_long_leaves_nothing(place: Path) -> None:
    package = installed.PACKAGES["llm"]
    with pytest.raises(NotInstalled, match="within 0 s"):
        install(package, 0.001)
    assert [path.name for path in place.iterdir()] == [package.why_not.name]


def test_a_browser_of_another_machine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    package = installed.PACKAGES["chromium"]
    with pytest.raises(NotInstalled, match="it is for Linux on x86-64 alone"):
        install(package)
    with pytest.raises(NotInstalled, match="is not installed: it is for Linux on x86-64 alone"):
        program("chromium")
    assert not package.folder.exists()
