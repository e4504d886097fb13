"""What people see of a request that was not as others: another model answered, or something was added or changed."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from bridge.events.values import Asked
from bridge.events.vocabulary import Event, ModelServed
from tests.record.commands import printed
from tests.support.record_desk import desk, ended, started


async def recorded(place: Path, *events: Event) -> None:
    """A record with these events."""
    async with desk(place / "clearspan.db") as writing:
        writing.publish(*events)


async def test_another_model_is_marked(tmp_path: Path) -> None:
    served = ModelServed("other", "gpt-5.5-mini", "default", None, Asked("gpt-5.5", "flex"))
    same = ModelServed("same", "gpt-5.5-2026-04-23", "default", None, Asked("gpt-5.5", "auto"))
    began = [started(name, model="gpt-5.5") for name in ("other", "same")]
    await recorded(tmp_path, *began, served, same, ended("other"), ended("same"))

    rows = {line.split()[0]: line for line in printed(tmp_path, "history").splitlines()}
    assert "gpt-5.5 ≠ gpt-5.5-mini, default" in rows["other"]
    assert "≠" not in rows["same"]
    assert "≠ gpt-5.5-mini, default, not as asked" in printed(tmp_path, "show", "other")
    assert "≠" not in printed(tmp_path, "show", "same")
    [other] = [line for line in printed(tmp_path, "stats", "--by", "served").splitlines() if "mini" in line]
    assert "gpt-5.5, flex" in other
    assert "≠ gpt-5.5-mini, default" in other


async def test_the_proof_is_shown(tmp_path: Path) -> None:
    good = evolve(ended("good"), bytes_in=48_213, request_equal=True, answer_equal=True)
    bad = evolve(ended("bad"), bytes_in=70, request_equal=False, answer_equal=True)
    more = evolve(ended("more"), bytes_in=70, answer_equal=True, added=["thoughts"])
    await recorded(tmp_path, *map(started, ("good", "bad", "more")), good, bad, more)

    assert "48,213 B in = out ✓" in printed(tmp_path, "show", "good")
    assert "70 B, NOT the same on both sides" in printed(tmp_path, "show", "bad")
    assert "added by the bridge: thoughts" in printed(tmp_path, "show", "more")
    rows = {line.split()[0]: line for line in printed(tmp_path, "history").splitlines()}
    assert ["+thoughts" in rows[name] for name in ("good", "more")] == [False, True]
