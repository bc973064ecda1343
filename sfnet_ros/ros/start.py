"""The command ``segmenter``: a signal ends it also while it imports, which takes a second."""

import os
import signal
import sys

from .signals import SIGNALS


def main() -> int:
    """Run the node; returns the exit code."""
    for number in SIGNALS:
        # Nothing is there yet that would have to be cleaned up.
        signal.signal(number, lambda *_: os._exit(0))
    from .segmenter import main as run

    return run()


if __name__ == '__main__':
    sys.exit(main())
