"""One intercepted request, from the moment its head is here to the event that says how it ended."""
