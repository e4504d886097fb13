"""What each provider API looks like, read without I/O: one module an API, behind the protocol in `bridge.apis.protocol`."""
