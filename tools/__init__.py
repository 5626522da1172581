"""Programs around the services: simulator, renderer, training, benchmarks."""

import sys

if sys.argv[:1] == [
    "-m"
]:  # `python -m tools...` imports this first, before the program's own needs
    from tools import endings

    sys.excepthook = endings.tell
