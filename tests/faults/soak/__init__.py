"""A real bridge at work for minutes, and what it holds meanwhile.

`scripts/soak` runs it for long, `tests/faults/test_soak.py` shortly. `run` is the run, `work` what clients, subscribers
and the owner do, `slope` the judgement of what was measured.
"""
