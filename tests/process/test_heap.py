"""One heap for all threads, as the C library itself tells it."""

from __future__ import annotations

import subprocess
import sys

import pytest

THREADS = """
import ctypes, threading
from bridge.process import heap
{before}
def take() -> None:
    held = [bytes(1000 + n) for n in range(2000)]
    together.wait()
together = threading.Barrier(4)
threads = [threading.Thread(target=take) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
ctypes.CDLL(None).malloc_stats()
"""


def heaps(before: str) -> int:
    """How many there are in a program whose threads allocate side by side."""
    said = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", THREADS.format(before=before)], stderr=subprocess.PIPE, check=True, text=True
    )
    return said.stderr.count("Arena ")


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has heaps of threads")
def test_threads_share_one() -> None:
    if heaps("") < 2:
        pytest.skip("this C library has no heaps of threads")
    assert heaps("heap.keep_one()") == 1
