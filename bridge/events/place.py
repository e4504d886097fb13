"""Where the event socket lies: bridge and monitor find each other there, unless they are told of another place."""

from __future__ import annotations

import warnings
from pathlib import Path

import platformdirs


def default_socket() -> Path:
    """The event socket in the user's runtime directory, or in a stand-in for it where the system has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs tells that it stands in; the bridge makes it private itself
        try:
            return platformdirs.user_runtime_path("clearspan") / "events.sock"
        except PermissionError:  # somebody else took its name in the directory for temporary files
            return platformdirs.user_data_path("clearspan") / "events.sock"
