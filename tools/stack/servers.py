"""Copy the Java archives of Kafka and S3Proxy, pinned in jars.txt, for an installation.

    python -m tools.stack.servers CACHE KAFKA [S3PROXY]

CACHE is a local Maven repository, into which missing archives are downloaded. KAFKA and S3PROXY are
new folders.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.stack import jars
from tools.stack.errors import StackError
from tools.stack.progress import download_progress


def copy(cache: Path, kafka: Path, s3proxy: Path | None) -> None:
    """Copy the archives. Raises StackError if one cannot be downloaded, and OSError if a folder
    exists."""
    with download_progress() as progress:
        archives = jars.fetch(cache, progress)
    for folder, wanted in ((kafka, False), (s3proxy, True)):
        if folder is not None:
            folder.mkdir()
            for jar, path in archives.items():
                if jar.is_s3proxy == wanted:
                    shutil.copyfile(path, folder / path.name)


def main(arguments: Sequence[str]) -> None:
    """Run the command line. An error prints one line and sets exit status 1."""
    if len(arguments) not in (2, 3) or arguments[0].startswith("-"):
        sys.exit(__doc__)
    cache, kafka, *more = map(Path, arguments)
    try:
        copy(cache, kafka, more[0] if more else None)
    except (StackError, OSError) as error:
        sys.exit(f"servers: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
