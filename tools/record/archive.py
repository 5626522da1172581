"""The archive: one zip file that holds a recording. docs/replay.md describes the format.

Writing is atomic: the file gets its name only once it is complete. Reading checks everything before
anything is used, and names each error with its location.
"""

import hashlib
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Self

import msgspec
from msgspec import Raw, Struct

from parking.core.errors import Invalid
from parking.core.events import EVENTS, Event, FrameReceived
from parking.wire import codec
from tools.record.recording import KINDS, Kept, Recording, in_order

FORMAT: Final = "smart-parking-recording"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
# Everything zipfile raises on damaged bytes.
_DAMAGE: Final = (
    *(OSError, EOFError, ValueError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
_FAULTS_SHOWN: Final = 20
_CHUNK: Final = 1 << 20
_SPOOL_BYTES: Final = 8 << 20
_LINES: Final = {
    f"{part}/{topic}.jsonl": (part, topic) for part in ("before", "records") for topic in KINDS
}
_TYPES: Final = {cls.TYPE: cls for cls in EVENTS}


class FileFacts(Struct, frozen=True, kw_only=True):
    """The expected size and digest of a file in the archive."""

    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """The archive's table of contents. `from_ms` and `to_ms` are the window in the broker's
    time."""

    format: Literal["smart-parking-recording"] = FORMAT
    version: int = VERSION
    sites: list[str]
    from_ms: int
    to_ms: int
    notes: list[str] = []
    counts: dict[str, int] = {}
    files: dict[str, FileFacts] = {}


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record as a line of JSON."""

    type: str
    partition: int
    offset: int
    at_ms: int
    event: Raw
    file: str | None = None


class ArchiveWriter:
    """Writes an archive; `with` it, `add` everything, then `finish`. Without `finish` no file is
    created. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.{os.getpid()}.part")
        self._lines: dict[str, IO[bytes]] = {}
        self.counts: dict[str, int] = {}
        self._files: dict[str, FileFacts] = {}

    def __enter__(self) -> Self:
        self._zip = zipfile.ZipFile(self._partial, "w")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
        for lines in self._lines.values():
            lines.close()
        self._partial.unlink(missing_ok=True)

    def add(self, kept: Kept, jpeg: bytes | None = None, *, before: bool = False) -> None:
        """Add one record, with its picture if it is a frame."""
        file = None
        if jpeg is not None and isinstance(kept.event, FrameReceived):
            file = f"frames/{kept.event.camera_id}/{kept.partition}-{kept.offset:012}.jpg"
            self._put(file, jpeg, zipfile.ZIP_STORED)
        name = f"{'before' if before else 'records'}/{kept.topic}.jsonl"
        line = Line(
            type=kept.event.TYPE,
            partition=kept.partition,
            offset=kept.offset,
            at_ms=kept.at_ms,
            event=Raw(codec.to_json(kept.event)),
            file=file,
        )
        if name not in self._lines:
            self._lines[name] = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115
        self._lines[name].write(msgspec.json.encode(line) + b"\n")
        self.counts[name] = self.counts.get(name, 0) + 1

    def finish(
        self, sites: Sequence[str], window_ms: tuple[int, int], notes: Sequence[str] = ()
    ) -> Manifest:
        """Write what is left and give the file its final name."""
        for name in sorted(self._lines):
            lines = self._lines[name]
            lines.seek(0)
            self._copy(name, lines)
        manifest = Manifest(
            sites=sorted(sites),
            from_ms=window_ms[0],
            to_ms=window_ms[1],
            notes=list(notes),
            counts=dict(sorted(self.counts.items())),
            files=dict(sorted(self._files.items())),
        )
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        self._zip.writestr(_member(MANIFEST, zipfile.ZIP_DEFLATED), text)
        self._zip.close()
        with self._partial.open("rb") as written:
            os.fsync(written.fileno())
        self._partial.replace(self._path)
        return manifest

    def _put(self, name: str, data: bytes, method: int) -> None:
        if name in self._files:
            raise Invalid("doubled", f"{name} was already recorded")
        self._zip.writestr(_member(name, method), data)
        self._files[name] = FileFacts(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def _copy(self, name: str, lines: IO[bytes]) -> None:
        digest, size = hashlib.sha256(), 0
        with self._zip.open(_member(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as out:
            while chunk := lines.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
        self._files[name] = FileFacts(bytes=size, sha256=digest.hexdigest())


def _member(name: str, method: int) -> zipfile.ZipInfo:
    """Omit the time of writing, so that the same window always gives the same bytes."""
    info = zipfile.ZipInfo(name)
    info.compress_type = method
    info.external_attr = 0o644 << 16
    return info


# ---------------------------------------------------------------- reading back
def read_archive(path: Path) -> Recording:
    """Read and check a whole recording. Raises Invalid("bad-archive") naming each error and its
    location."""
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise Invalid("no-archive", f"{path}: no such file") from error
    except _DAMAGE as error:
        raise Invalid(
            "bad-archive", f"{path} is not an archive, or its end is missing: {error}"
        ) from (error)
    manifest = _manifest(path, archive)
    faults = list(_file_faults(archive, manifest))
    _refuse(path, faults)
    kept: dict[str, list[Kept]] = {"before": [], "records": []}
    for name, (part, topic) in _LINES.items():
        if name in manifest.files:
            read = list(_read_lines(archive, name, topic, faults))
            kept[part] += read
            if len(read) != manifest.counts.get(name, 0) and not faults:
                faults.append(f"{name}: {len(read)} lines, the manifest counts "
                              f"{manifest.counts.get(name, 0)}")  # fmt: skip
    faults += _picture_faults(kept["records"], manifest)
    _refuse(path, faults)
    return Recording(
        name=path.name,
        sites=tuple(manifest.sites),
        records=in_order(kept["records"]),
        picture=archive.read,
        before=in_order(kept["before"]),
        notes=tuple(manifest.notes),
    )


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    try:
        raw = archive.read(MANIFEST)
    except KeyError as error:
        raise Invalid("bad-archive", f"{path} has no {MANIFEST}: it is not a recording") from error
    except _DAMAGE as error:
        raise Invalid("bad-archive", f"{path}: {MANIFEST} is damaged: {error}") from error
    try:
        version = msgspec.json.decode(raw, type=dict[str, object]).get("version")
        if isinstance(version, int) and version > VERSION:
            raise Invalid(
                "newer-archive", f"{path} has version {version}; this program reads up to {VERSION}"
            )
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise Invalid("bad-archive", f"{path}: {MANIFEST}: {error}") from error


def _file_faults(archive: zipfile.ZipFile, manifest: Manifest) -> Iterator[str]:
    members = {info.filename: info for info in archive.infolist()}
    for name in members.keys() - manifest.files.keys() - {MANIFEST}:
        yield f"{name}: not in the manifest"
    for name, facts in manifest.files.items():
        info = members.get(name)
        if info is None:
            yield f"{name}: missing"
        elif info.file_size != facts.bytes:
            yield f"{name}: {info.file_size} bytes, but {facts.bytes} in the manifest"
        elif (found := _sha256(archive, name)) != facts.sha256:
            yield f"{name}: damaged: {found}"
        elif name not in _LINES and not name.startswith("frames/"):
            yield f"{name}: not a file of a recording"


def _sha256(archive: zipfile.ZipFile, name: str) -> str:
    """Return the file's digest, or the reason why there is none."""
    digest = hashlib.sha256()
    try:
        with archive.open(name) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except _DAMAGE as error:
        return str(error)
    return digest.hexdigest()


def _read_lines(
    archive: zipfile.ZipFile, name: str, topic: str, faults: list[str]
) -> Iterator[Kept]:
    with archive.open(name) as lines:
        for number, raw in enumerate(lines, 1):
            try:
                line = msgspec.json.decode(raw, type=Line)
                event = codec.from_json(bytes(line.event), _TYPES.get(line.type, Event))
                if not isinstance(event, KINDS[topic]):
                    raise Invalid("wrong-type", f"unexpected record type {line.type}")
                yield Kept(topic, line.partition, line.offset, line.at_ms, event, line.file)
            except KeyError:
                faults.append(f"{name}, line {number}: {line.type!r} is not a type of this version")
            except (Invalid, msgspec.DecodeError) as error:
                faults.append(f"{name}, line {number}: {error}")


def _picture_faults(records: Sequence[Kept], manifest: Manifest) -> Iterator[str]:
    """Check that each frame has its picture, and that the picture matches its event."""
    named = set()
    for kept in records:
        if isinstance(kept.event, FrameReceived) and kept.file is not None:
            named.add(kept.file)
            facts = manifest.files.get(kept.file)
            if facts is None:
                yield f"{kept.file}: missing, but frame {kept.event.id} refers to it"
            elif facts.sha256 != kept.event.sha256:
                yield f"{kept.file}: not the picture that frame {kept.event.id} describes"
    for name in manifest.files:
        if name.startswith("frames/") and name not in named:
            yield f"{name}: no frame refers to it"


def _refuse(path: Path, faults: Sequence[str]) -> None:
    if faults:
        listed = [*faults[:_FAULTS_SHOWN]]
        if len(faults) > _FAULTS_SHOWN:
            listed.append(f"and {len(faults) - _FAULTS_SHOWN} more")
        raise Invalid("bad-archive", f"{path} cannot be used:\n  " + "\n  ".join(listed))
