"""The firmware's part of `make check`: every file compiles, and the image stays small.

Prints the size. docs/firmware.md explains the budget."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tools.boards import image

BUDGET_BYTES: Final = 48 * 1024  # compiled size of everything that an update replaces


def main() -> None:
    """Run the command line. Exits with status 1 and prints the reason if a check fails."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            for path in sorted(image.FIRMWARE.rglob("*.py")):
                image.compile_to(path, Path(folder) / "one.mpy")
            size = image.build(image.FIRMWARE, Path(folder) / "image", 1, "0")
        except subprocess.CalledProcessError as error:
            sys.exit(f"firmware: {path}: {error.stderr.decode(errors='replace')}")
    print(f"firmware: {size} bytes compiled, of {BUDGET_BYTES}")
    if size > BUDGET_BYTES:
        sys.exit("firmware: over its budget")


if __name__ == "__main__":
    main()
