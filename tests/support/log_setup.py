"""Logging is set up for a whole process: this puts back what a test changed of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from bridge.observe import logs


@contextmanager
def logging_put_back() -> Iterator[None]:
    """Within the block, logging may be configured and secrets learned; afterwards it is as before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    known, short = logs.redactor._own, logs.redactor._short
    root.handlers[:] = []
    try:
        yield
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:], root.level = handlers, level
        logs.redactor._own, logs.redactor._short = known, short
        structlog.reset_defaults()
