"""How to reach a bridge that says nothing else: its event socket, its address, and the word for its own keys.

Bridge, monitor and commands find each other here, unless they are told of another place.
"""

from __future__ import annotations

import warnings
from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8484
DEFAULT_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"

POOL_WORD = "clearspan"
"""The credential that says "use the pool": SDKs insist on some key."""

ANTHROPIC_VERSION = "2023-06-01"
"""What Anthropic's API wants in the header `anthropic-version` of every request."""


def default_socket() -> Path:
    """The event socket in the user's runtime directory, or in a stand-in for it where the system has none."""
    import platformdirs  # noqa: PLC0415  # takes its time to load, and `--version` needs no place

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs tells that it stands in; the bridge makes it private itself
        try:
            return platformdirs.user_runtime_path("clearspan") / "events.sock"
        except PermissionError:  # somebody else took its name in the directory for temporary files
            return platformdirs.user_data_path("clearspan") / "events.sock"


def record_in(folder: Path) -> Path:
    """The record of a bridge whose data go into that folder."""
    return folder / "clearspan.db"


def default_record() -> Path:
    """The record where no place is set."""
    import platformdirs  # noqa: PLC0415  # takes its time to load, and those who are told a place need no other

    return record_in(platformdirs.user_data_path("clearspan"))


def default_file() -> Path:
    """The configuration file that is read when none is named."""
    import platformdirs  # noqa: PLC0415  # see above

    return platformdirs.user_config_path("clearspan") / "config.toml"
