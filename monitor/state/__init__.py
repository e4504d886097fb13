"""What the events add up to. No I/O, no widgets: `state = reduce(state, event)`."""
