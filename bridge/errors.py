"""The bridge's own exceptions: few, each with the words a person needs."""

from __future__ import annotations


class ClearspanError(Exception):
    """What the bridge raises on purpose. Its text is for people: what is wrong, where, and how to mend it."""


class ConfigurationError(ClearspanError):
    """Settings that can't be used, one line a fault. The command ends with exit code 2."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class StartError(ClearspanError):
    """The bridge can't start though its settings are well: a port or socket is taken. Exit code 1."""
