"""`python -m bridge` is the command `clearspan`."""

from bridge.cli.main import main

if __name__ == "__main__":
    main()
