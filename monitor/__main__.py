"""`python -m monitor` is `clearspan monitor`."""

from monitor.command import main

if __name__ == "__main__":
    main()
