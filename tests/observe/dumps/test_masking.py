"""Secrets in bytes that come in pieces: found wherever they are cut, and all else left as it is."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bridge.observe.dumps.masking import Mask
from bridge.observe.logs import Redactor

SECRETS = ("sk-canary/0123456789", "another secret", "cäfé-0123")


def secrets() -> Redactor:
    known = Redactor()
    known.learn([(secret, "(gone)") for secret in SECRETS])
    return known


def masked(pieces: list[bytes]) -> bytes:
    mask = Mask(secrets())
    return b"".join([*map(mask.feed, pieces), mask.finish()])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(bounds)]


CUTS = st.lists(st.integers(0, 10_000), max_size=30)
PLAIN = st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode())


@given(st.lists(PLAIN, max_size=4), CUTS)
def test_what_holds_no_secret_is_untouched(parts: list[bytes], places: list[int]) -> None:
    data = b"".join(parts)
    assert masked(cut(data, places)) == data


@given(st.lists(PLAIN | st.sampled_from([secret.encode() for secret in SECRETS]), max_size=8), CUTS)
def test_a_secret_is_found_wherever_it_is_cut(parts: list[bytes], places: list[int]) -> None:
    data = b"|".join(parts)
    found = masked(cut(data, places))
    assert found == masked([data])
    assert not [secret for secret in SECRETS if secret.encode() in found]
    assert found.count(b"(gone)") == sum(data.count(secret.encode()) for secret in SECRETS) + data.count(b"(gone)")


@given(st.lists(st.booleans(), min_size=20, max_size=20), st.integers(0, 2), CUTS)
def test_a_secret_is_found_however_json_escapes_it(escaped: list[bool], depth: int, places: list[int]) -> None:
    pairs = zip(SECRETS[0], escaped, strict=True)
    text = '{"a":"' + "".join(f"\\u{ord(letter):04x}" if escape else letter for letter, escape in pairs) + '"}'
    for _ in range(depth):
        text = json.dumps({"nested": text})
    found = masked(cut(text.encode(), places)).decode()
    for _ in range(depth):
        found = json.loads(found)["nested"]
    assert json.loads(found) == {"a": "(gone)"}
