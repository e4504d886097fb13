"""HTTP/1.1 towards clients: Hypercorn's engine under our own connection layer, and requests as the app sees them."""
