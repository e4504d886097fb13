"""The dashboard as a web page, for the browser of this machine. The extra `web` installs what it needs."""
