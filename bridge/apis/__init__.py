"""What each provider API looks like, read without I/O: one room an API, behind `bridge.apis.protocol`."""
