"""Check the documents' links, write docs/settings.md, build the site: `python -m tools.docs`."""

import argparse
import subprocess
import sys
from pathlib import Path

from tools.docs import settings
from tools.docs.links import faults
from tools.docs.stage import stage

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Return 0, or 1 after reporting each broken link, or mkdocs' own exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="check, write nothing")
    parser.add_argument("--settings", action="store_true", help="write docs/settings.md only")
    options = parser.parse_args()
    page = ROOT / settings.PAGE
    if options.settings:
        page.write_text(settings.page(), "utf-8")
        return 0
    broken = faults(ROOT)
    if not page.exists() or page.read_text("utf-8") != settings.page():
        broken.append(f"{settings.PAGE} differs from the code: run `make schemas`")
    for fault in broken:
        print(fault, file=sys.stderr)
    if broken or options.check:
        return int(bool(broken))
    stage(ROOT, ROOT / ".state" / "docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
