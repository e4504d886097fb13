"""Numbers of a running bridge's page of metrics."""

from __future__ import annotations

from tests.support.world import World, ask


async def metric(here: World, name: str) -> float:
    """The value of a metric without labels."""
    page = (await ask(here.port, b"", path="/metrics", method="GET")).body.decode()
    return float(next(line for line in page.splitlines() if line.startswith(f"clearspan_{name} ")).split()[1])
