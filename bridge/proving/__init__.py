"""Tries with captured requests what the relay promises, from one end to the other."""
