"""Find the links in Markdown files and report the broken ones. Needs no network."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_CODE: Final = re.compile(r"^( *)(```|~~~).*?^\1\2 *$|(`+)(?!`).*?(?<!`)\3(?!`)", re.M | re.S)
_LINK: Final = re.compile(r"(?<!\\)\]\((?P<target>[^()\s]+)(?:\s+\"[^\"]*\")?\)")
_HEADING: Final = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.M)
_ANCHOR: Final = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
_OUTSIDE: Final = re.compile(r"^[a-z][a-z0-9+.-]*:", re.I)


@dataclass(frozen=True, slots=True)
class Link:
    """A link in `page`: a path relative to that page, and an anchor. Either may be empty."""

    page: Path
    line: int
    path: str
    anchor: str


def markdown_files(root: Path) -> list[Path]:
    """All Markdown files that git tracks or would track, sorted. Raises CalledProcessError if
    `root` is not a git checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "*.md"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout
    names = sorted(set(listed.decode().split("\0")) - {""})
    return [root / name for name in names if (root / name).is_file()]


def links(page: Path, text: str) -> Iterator[Link]:
    """Yield a page's links to other files and to headings. Code and links to other sites are
    skipped."""
    plain = _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)
    for found in _LINK.finditer(plain):
        target = found["target"]
        if not _OUTSIDE.match(target):
            path, _, anchor = target.partition("#")
            yield Link(page, plain.count("\n", 0, found.start()) + 1, unquote(path), anchor)


def anchors(text: str) -> set[str]:
    """Return the anchors that headings get: lower case, hyphens for spaces, and a number if
    repeated."""
    found = set(_ANCHOR.findall(text))
    plain = re.sub(r"^( *)(```|~~~).*?^\1\2 *$", "", text, flags=re.M | re.S)
    for heading in _HEADING.findall(plain):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        name, number = slug, 0
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def faults(root: Path) -> list[str]:
    """Return each broken link as "page:line: why"."""
    pages = markdown_files(root)
    texts = {page: page.read_text("utf-8") for page in pages}
    known = {page: anchors(text) for page, text in texts.items()}
    return [
        f"{page.relative_to(root)}:{link.line}: {fault}"
        for page, text in texts.items()
        for link in links(page, text)
        if (fault := _fault(root, link, known))
    ]


def _fault(root: Path, link: Link, known: dict[Path, set[str]]) -> str:
    target = (link.page.parent / link.path).resolve() if link.path else link.page
    if not target.is_relative_to(root) or not target.exists():
        return f"no file {link.path}"
    headings = known.get(target)
    if link.anchor and headings is not None and link.anchor not in headings:
        return f"no heading #{link.anchor} in {target.relative_to(root)}"
    return ""
