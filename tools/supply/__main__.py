"""List and check what this software is built from.

  sbom     print the bill of materials (CycloneDX 1.6 JSON), out of the lock files
  check    licences of what is installed, secrets in tracked files, and, where ADVISORIES names a
           folder of OSV records (JSON), known vulnerabilities of pinned parts; exit status 1 on any
  digests  pin every image of the compose file, the Dockerfiles, the Kubernetes files and the dev
           container to the digest that its registry gives for its tag; with --check only list
           those that are not pinned or outdated; exit status 1 on any, or if a registry fails

Only `digests` needs a network. Advisories: `gcloud storage cp` or a download of
`https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip` (and npm, Maven), unpacked.
"""

import argparse
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path, PurePosixPath

from tools.supply.components import ROOT, components, cyclonedx
from tools.supply.images import holds_images
from tools.supply.pinning import pin_files
from tools.supply.rules import (
    advisories,
    installed_licences,
    known_faults,
    licence_faults,
    secrets_in,
)

_TEXT_LIMIT_BYTES = 2_000_000


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.supply",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("sbom", "check", "digests"))
    parser.add_argument("--check", action="store_true", help="digests: change no file")
    options = parser.parse_args()
    if options.command == "digests":
        return digests(write=not options.check)
    if options.command == "sbom":
        bill = cyclonedx(components(), metadata.version("smart-parking"))
        sys.stdout.write(json.dumps(bill, indent=1) + "\n")
        return 0
    faults = check(os.environ.get("ADVISORIES", ""))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def digests(*, write: bool) -> int:
    """Pin the tracked files' images, or list what would change. Return the exit status."""
    paths = [path for path in tracked() if holds_images(PurePosixPath(path.relative_to(ROOT)))]
    differences, faults = pin_files(paths, write=write)
    for line in differences:
        print(line)
    for line in faults:
        print(line, file=sys.stderr)
    if differences and not write:
        print("Run `make digests` and commit the files.", file=sys.stderr)
    return 1 if faults or (differences and not write) else 0


def check(folder: str) -> list[str]:
    """Return every problem found."""
    parts = components()
    licences = installed_licences(parts)
    licences += [(part.name, part.licence) for part in parts if part.kind == "npm"]
    faults = licence_faults(licences)
    for path in tracked():
        if path.is_file() and path.stat().st_size <= _TEXT_LIMIT_BYTES:
            text = path.read_text("utf-8", errors="replace")
            faults += [f"{path.relative_to(ROOT)}: {found}" for found in secrets_in(text)]
    if folder:
        faults += known_faults(parts, advisories(Path(folder)))
    else:
        print("advisories: not checked (ADVISORIES=DIR names a folder of OSV records)")
    return faults


def tracked() -> list[Path]:
    """Return the files that git tracks."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


if __name__ == "__main__":
    sys.exit(main())
