"""Lay out the documents for mkdocs: all Markdown of the repository, and the files it links to."""

import re
import shutil
from pathlib import Path

from tools.docs.links import links, markdown_files


def stage(root: Path, folder: Path) -> list[Path]:
    """Empty `folder`, then fill it with the pages below `root` at the same paths and with every
    file they link to, so that each link works on the site too. Returns the pages' paths in it."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = [page for page in markdown_files(root) if not page.is_relative_to(root / ".github")]
    for page in pages:
        text = page.read_text("utf-8")
        target = folder / page.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_without_folders(page, text), "utf-8")
        for link in links(page, text):
            _copy(root, (page.parent / link.path).resolve(), folder)
    return [folder / page.relative_to(root) for page in pages]


def _copy(root: Path, linked: Path, folder: Path) -> None:
    if linked.is_file() and linked.is_relative_to(root) and linked.suffix != ".md":
        target = folder / linked.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(linked, target)


def _without_folders(page: Path, text: str) -> str:
    """Make each link to a folder lead to its README, or turn it into plain text, because a site has
    no folder listings."""
    for link in links(page, text):
        linked = page.parent / link.path
        if not link.path or not linked.is_dir():
            continue
        target = f"]({link.path}{'#' + link.anchor if link.anchor else ''})"
        if (linked / "README.md").exists():
            text = text.replace(target, f"]({link.path.rstrip('/')}/README.md)")
        else:
            text = re.sub(rf"\[([^\[\]]*){re.escape(target)}", r"\1", text)
    return text
