"""Lines of text for the screen, made from the state by pure functions."""
