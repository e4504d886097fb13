"""What the simulator answers: stories, the fate of each key, and the files that hold them."""
