"""What tests share: worlds, fakes, samples. No test stands here."""
