"""Pin the images in a folder's files, or list those that are not pinned to today's digest."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tools.supply.images import Image, images_in, pinned
from tools.supply.registry import NoDigest, digest_of


def pin_files(
    paths: Iterable[Path], *, write: bool, ask: Callable[[Image], str] = digest_of
) -> tuple[list[str], list[str]]:
    """Return what differs from the registries (one line for each image of a file), and the faults.

    Each image is asked for once. With `write`, the files are pinned as far as digests are known: an
    image whose registry failed stays as it is and is a fault.
    """
    texts = {path: path.read_text("utf-8") for path in paths}
    named = sorted({image for text in texts.values() for image, _ in images_in(text)})
    digests, faults = _ask(named, ask)
    differences = []
    for path, text in texts.items():
        for image, digest in images_in(text):
            if digests.get(image, digest) != digest:
                what = f"outdated, was {digest}" if digest else "not pinned"
                differences.append(f"{path}: {image}: {what}, is {digests[image]}")
        if write and (new := pinned(text, digests)) != text:
            path.write_text(new, "utf-8")
    return differences, faults


def _ask(images: list[Image], ask: Callable[[Image], str]) -> tuple[dict[Image, str], list[str]]:
    digests, faults = {}, []
    for image in images:
        try:
            digests[image] = ask(image)
        except NoDigest as error:
            faults.append(str(error))
    return digests, faults
