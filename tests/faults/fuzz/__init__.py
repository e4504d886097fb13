"""Seeded bad input for a real `clearspan serve`, batch by batch, and what must hold after each.

`scripts/fuzz` runs it for long, `tests/faults/test_fuzz.py` shortly. `campaign` is the run; one file has each kind of
input: `front`, `bodies`, `upstream`, `streams`, `subscribers`, `web`.
"""
