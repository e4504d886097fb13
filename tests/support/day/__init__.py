"""A made-up day: twelve agents on fifty keys of eight providers, two restarts of the bridge, and a monitor after it."""
