"""Write, check and unpack a backup: one tar file with a manifest of checksums.

    python3 tools/box/archive.py pack FOLDER FILE --version V --migrations NAME...
    python3 tools/box/archive.py unpack FILE FOLDER
    python3 tools/box/archive.py migrations FILE

The first member is manifest.json; the others are the folder's files. `pack` deletes each file once
it is in the archive, so that the disk does not have to hold everything twice. `unpack` accepts only
what the manifest names, and fails if anything is missing or differs.
"""

import argparse
import hashlib
import io
import json
import os
import re
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_MANIFEST_MAX_BYTES: Final = 1_000_000
_BLOCK_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,60}")


class Damaged(Exception):
    """The archive does not match its manifest, or is no backup at all."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file: its name, its size in bytes, and its SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `version` is the release that wrote it, and `migrations` are those of
    its database."""

    version: str
    created_at: str  # UTC, ISO 8601
    migrations: tuple[str, ...]
    parts: tuple[Part, ...]

    def to_json(self) -> bytes:
        """Return the content of manifest.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Manifest":
        """Read manifest.json. Raises Damaged."""
        try:
            content: dict[str, Any] = json.loads(text)
            if content["format"] != FORMAT:
                raise Damaged(
                    f"the backup has format {content['format']}; this release reads {FORMAT}"
                )
            parts = tuple(
                Part(str(p["name"]), int(p["size"]), str(p["sha256"])) for p in content["parts"]
            )
            migrations = tuple(str(name) for name in content["migrations"])
            manifest = cls(str(content["version"]), str(content["created_at"]), migrations, parts)
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{MANIFEST} cannot be read: {error!r}") from error
        names = [part.name for part in parts]
        if len(set(names)) != len(names) or not all(map(_NAME.fullmatch, names)):
            raise Damaged(f"{MANIFEST} names no valid list of files")
        return manifest


def pack(folder: Path, file: Path, version: str, migrations: Sequence[str]) -> Manifest:
    """Move all files of a folder into a new archive (mode 600). Raises OSError if that fails; then
    no archive has been written."""
    paths = sorted(folder.iterdir())
    parts = tuple(Part(path.name, path.stat().st_size, _sha256(path)) for path in paths)
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest(version, created_at, tuple(migrations), parts)
    partial = file.with_name(f".{file.name}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            with tarfile.open(fileobj=out, mode="w") as archive:
                head, content = tarfile.TarInfo(MANIFEST), manifest.to_json()
                head.size = len(content)
                archive.addfile(head, io.BytesIO(content))
                for path in paths:
                    archive.add(path, path.name)
                    path.unlink()
            out.flush()
            os.fsync(out.fileno())
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def read_manifest(file: Path) -> Manifest:
    """Return the manifest of an archive without checking its files. Raises Damaged."""
    with _opened(file) as archive:
        return _first(archive)


def unpack(file: Path, folder: Path) -> Manifest:
    """Write the files of an archive into an empty folder and check each. Raises Damaged; the folder
    must then not be used."""
    with _opened(file) as archive:
        manifest = _first(archive)
        wanted = {part.name: part for part in manifest.parts}
        for member in archive:
            if member.name == MANIFEST:
                continue
            part = wanted.pop(member.name, None)
            if part is None or not member.isfile():
                raise Damaged(
                    f"{member.name!r} is not in the manifest, appears twice, or is not a file"
                )
            content = archive.extractfile(member)
            if content is None or _copied(content, folder / part.name) != part.sha256:
                raise Damaged(f"{part.name}: its checksum differs from the manifest's")
    if wanted:
        raise Damaged(f"{', '.join(sorted(wanted))} is missing")
    return manifest


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        raise Damaged(f"{file} is not a complete archive: {error}") from error


def _first(archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    if member is None or member.name != MANIFEST or member.size > _MANIFEST_MAX_BYTES:
        raise Damaged(f"it does not begin with {MANIFEST}, so it is not a backup")
    content = archive.extractfile(member)
    return Manifest.from_json(content.read() if content else b"")


def _copied(content: IO[bytes], path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as out:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. An error prints one line and sets exit status 1."""
    parser = argparse.ArgumentParser(prog="archive.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("folder", type=Path)
    packing.add_argument("file", type=Path)
    packing.add_argument("--version", required=True)
    packing.add_argument("--migrations", nargs="+", required=True)
    unpacking = commands.add_parser("unpack")
    unpacking.add_argument("file", type=Path)
    unpacking.add_argument("folder", type=Path)
    commands.add_parser("migrations").add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    try:
        if options.command == "pack":
            pack(options.folder, options.file, options.version, options.migrations)
        elif options.command == "unpack":
            unpack(options.file, options.folder)
        else:
            print("\n".join(read_manifest(options.file).migrations))
    except (Damaged, OSError) as error:
        sys.exit(f"{options.file}: {error}")


if __name__ == "__main__":
    main()
