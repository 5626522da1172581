"""Progress bars for downloads, on a terminal; elsewhere one line for each large file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

TOLD_BYTES: Final = 5_000_000

Advance = Callable[[int], None]
OneDownload = Callable[[str, int], AbstractContextManager[Advance]]


@contextmanager
def download_progress() -> Iterator[OneDownload]:
    """Provide a function (file name, bytes) -> context manager that counts the received bytes."""
    columns = (
        TextColumn("{task.description:<34.34}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    console = Console(file=sys.stderr)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:

        @contextmanager
        def one(name: str, size_bytes: int) -> Iterator[Advance]:
            if not console.is_terminal and size_bytes > TOLD_BYTES:
                console.print(f"downloading {name} ({size_bytes / 1e6:.1f} MB)")
            task: TaskID = bars.add_task(name, total=size_bytes)
            yield lambda count: bars.advance(task, count)
            bars.remove_task(task)

        yield one
