"""`clearspan`, which is also `python -m bridge`: takes its signals in hand first, then loads the commands."""

import sys
from typing import NoReturn

from bridge.process import garbage, signals, standard_streams


def main() -> NoReturn:
    """Runs the command line."""
    try:
        signals.hold()
        standard_streams.complete()
        garbage.spare_loading()
        from bridge.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
