"""The upstream side: what a kind of provider is, each configured one at work, and attempts at requests."""
