"""A provider that is not there: the APIs of real ones, spoken from scripted answers, so that all runs without a key.

`provider.py` is the ASGI application. What it answers is said once, in `answers.py`'s neutral words, by a scenario
(`scenario.py`); one module an API turns that into the API's own events and bodies. `agents.py` are the clients that the
demo sends through the bridge.
"""
