"""A price list that takes as long to load as a test likes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from bridge.providers.price_list import PriceList


class SlowList:
    """Takes the place of `PriceList.load`; ends as `result` does (as the real one) once `may_end` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, result: Callable[[], PriceList] = PriceList.load) -> None:
        self.may_end = threading.Event()
        self._result = result
        monkeypatch.setattr(PriceList, "load", self._load)

    def _load(self) -> PriceList:
        assert self.may_end.wait(30)
        return self._result()
