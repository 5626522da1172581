"""Open a recording from any source."""

from collections.abc import Mapping
from pathlib import Path

from parking.runtime.settings import Reader
from tools.record.archive import read_archive
from tools.record.recording import Recording
from tools.replay.folder import read_folder


def open_source(
    source: str,
    environ: Mapping[str, str],
    interval_ms: int | None = None,
    layout: Path | None = None,
) -> Recording:
    """Open an archive, a folder or captures. Raises Invalid or Retryable."""
    if source.startswith("s3:"):
        # Imported here, because nothing else needs the libraries for S3 and Postgres.
        from parking.runtime.objects import S3Settings
        from tools.replay.captures import read_captures

        env = Reader(environ)
        objects, database_url = S3Settings.read(env), env.text("DATABASE_URL", "")
        env.done()
        return read_captures(source, objects, database_url, layout)
    path = Path(source)
    return read_folder(path, interval_ms) if path.is_dir() else read_archive(path)
