"""These tests face the bridge as those of faults do: at home, and with nothing contained that nobody expects."""

from __future__ import annotations

from tests.faults.conftest import contained, own_home

__all__ = ["contained", "own_home"]
