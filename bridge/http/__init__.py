"""HTTP/1.1 towards clients: Hypercorn's engine under a connection layer of our own, and requests as the app sees them."""
