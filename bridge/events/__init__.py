"""What the bridge tells the world: the vocabulary of events, their wire form, and their way to the subscribers."""
