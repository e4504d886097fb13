"""Configuration files for tests: what a text means, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.config.load import Loaded, Options, load
from bridge.errors import ConfigurationError

SECRET = "sk-canary-config-0123456789"
PROVIDER = '[providers.openai]\ntype = "openai"\n'


def loaded(text: str, tmp_path: Path, environment: dict[str, str] | None = None, **options: Any) -> Loaded:
    """What a file with this text means."""
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8", newline="")
    return load(Options(config=file, **options), environment or {})


def faults(text: str, tmp_path: Path, environment: dict[str, str] | None = None) -> list[str]:
    """What is wrong with it, the file's path left out."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(text, tmp_path, environment)
    return [fault.replace(f"{tmp_path}/", "") for fault in caught.value.faults]
