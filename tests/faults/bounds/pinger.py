"""Asks for `/healthz` again and again, in a process of its own, so that the load it runs beside can't delay it.

`python -m tests.faults.bounds.pinger PORT` goes on until its standard input ends; then it prints how many answers came
and the slowest of them in milliseconds.
"""

from __future__ import annotations

import http.client
import selectors
import sys
import time
from contextlib import closing

EVERY_S = 0.01
PATIENCE_S = 60.0


def main() -> None:
    """Prints a line when the first answer has come, and one at the end."""
    port = int(sys.argv[1])
    slowest, count = 0.0, 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with closing(connection), selectors.DefaultSelector() as ends:
        ends.register(sys.stdin, selectors.EVENT_READ)
        while not ends.select(EVERY_S if count else 0):
            began = time.monotonic()
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            response.read()
            if response.status != http.HTTPStatus.OK:
                raise SystemExit("the bridge is not well")
            if count:  # the first one finds the way
                slowest = max(slowest, time.monotonic() - began)
            else:
                print("ready", flush=True)  # noqa: T201  # what it says is for its parent
            count += 1
    print(count, round(slowest * 1000, 1), flush=True)  # noqa: T201  # as above


if __name__ == "__main__":
    main()
