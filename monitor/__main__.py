"""`python -m monitor` is `clearspan monitor`."""

from monitor.app import main

if __name__ == "__main__":
    main()
