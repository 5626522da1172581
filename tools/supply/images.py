"""Image references in the deployment's files. Pure text, needs no network."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

# A host with a dot or a port comes first, as in docker.io/library/postgres:18. Our own images have
# no host, so they are left out. What stands before a reference: `image: `, `ARG BASE=`, `:-`, `"`.
_REFERENCE: Final = re.compile(
    r"(?:(?<=[\s\"'=])|(?<=:-))"
    r"(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?|[a-z0-9-]+:\d+)"
    r"/(?P<path>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r":(?P<tag>\w[\w.-]{0,127})"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
    r"(?=[\s\"'}]|$)"
)
_COMMENT: Final = re.compile(r"^\s*#")


@dataclass(frozen=True, slots=True, order=True)
class Image:
    """A tag in a registry, `host/path:tag`."""

    host: str
    path: str
    tag: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}:{self.tag}"


def holds_images(path: PurePosixPath) -> bool:
    """Tell whether a tracked file may name images: Dockerfiles, compose files, Kubernetes files
    and the dev container."""
    if path.name.startswith("Dockerfile") or path.name == "devcontainer.json":
        return True
    return path.suffix in {".yaml", ".yml"} and (
        "compose" in path.name or path.parts[:2] == ("deploy", "kubernetes")
    )


def images_in(text: str) -> list[tuple[Image, str]]:
    """Return every image that a file names, with its digest, or with "" if it is not pinned."""
    return [
        (_image(found), found["digest"] or "")
        for line in text.splitlines()
        if not _COMMENT.match(line)
        for found in _REFERENCE.finditer(line)
    ]


def pinned(text: str, digests: Mapping[Image, str]) -> str:
    """Return a file's text with these images pinned as `host/path:tag@sha256:...`."""

    def pin(found: re.Match[str]) -> str:
        image = _image(found)
        return f"{image}@{digests[image]}" if image in digests else found[0]

    return "".join(
        line if _COMMENT.match(line) else _REFERENCE.sub(pin, line)
        for line in text.splitlines(keepends=True)
    )


def _image(found: re.Match[str]) -> Image:
    return Image(found["host"], found["path"], found["tag"])
