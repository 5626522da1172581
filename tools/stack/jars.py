"""The Java archives of Kafka and S3Proxy, from Maven, pinned in jars.txt with their SHA-256.

`python -m tools.stack.jars FOLDER` writes jars.txt again after a version below was changed.
"""

import hashlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jgo.maven import MavenContext, PythonResolver

from tools.stack.errors import StackError

KAFKA: Final = "org.apache.kafka:kafka_2.13:4.3.1"
# Kafka logs through slf4j 1.7 and includes log4j 2.25, but no binding between the two.
LOG_BINDING: Final = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
S3PROXY: Final = "org.gaul:s3proxy:4.1.0:jar-with-dependencies"
LOCK_FILE: Final = Path(__file__).parent / "jars.txt"

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Jar:
    """One archive: its coordinate (group:artifact:version[:classifier]) and its SHA-256."""

    coordinate: str
    sha256: str

    @property
    def is_s3proxy(self) -> bool:
        """S3Proxy's single archive holds all that it needs. All others are Kafka's class path."""
        return self.coordinate == S3PROXY

    def path_in(self, repository: Path) -> Path:
        """Return where a local Maven repository keeps it."""
        group, name, version, *classifier = self.coordinate.split(":")
        file = "-".join((name, version, *classifier)) + ".jar"
        return repository.joinpath(*group.split("."), name, version, file)

    def download(self, context: MavenContext) -> None:
        """Download it into the context's repository."""
        group, name, version, *classifier = self.coordinate.split(":")
        component = context.project(group, name).at_version(version)
        component.artifact(classifier[0] if classifier else "").resolve()


def locked() -> list[Jar]:
    """Return the pinned archives in class path order."""
    lines = LOCK_FILE.read_text("utf-8").splitlines()
    return [Jar(*line.split()) for line in lines if line and not line.startswith("#")]


def fetch(repository: Path, progress: Progress) -> dict[Jar, Path]:
    """Return every pinned archive as a local file, downloading those that are missing or damaged.

    Raises StackError if one cannot be downloaded or its hash differs from the pinned one.
    """
    resolver = PythonResolver(progress_callback=progress)
    context = MavenContext(resolver, repo_cache=repository, timeout=60)
    for jar in locked():
        _fetch_one(jar, context, jar.path_in(repository))
    return {jar: jar.path_in(repository) for jar in locked()}


def _fetch_one(jar: Jar, context: MavenContext, path: Path) -> None:
    checked = path.with_suffix(f".{jar.sha256[:16]}")  # marks a file that has been hashed
    if checked.exists() and path.exists():
        return
    path.unlink(missing_ok=True)  # perhaps torn by an interrupted download
    try:
        jar.download(context)
    except Exception as error:  # jgo raises many kinds of errors for a failed download
        raise StackError(f"cannot download {jar.coordinate} from Maven: {error}") from error
    if _sha256(path) != jar.sha256:
        path.unlink()
        raise StackError(f"{jar.coordinate}: its SHA-256 differs from the one in {LOCK_FILE.name}")
    checked.touch()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lock(repository: Path) -> None:
    """Resolve the versions above and write jars.txt."""
    context = MavenContext(repo_cache=repository, timeout=60)
    # Kafka alone, because together with the binding, log4j's POM would lower some versions.
    _, nodes = context.resolver.get_dependency_list([context.create_dependency(KAFKA)])
    names = [f"{n.dep.groupId}:{n.dep.artifactId}:{n.dep.version}" for n in nodes]
    jars = [Jar(name, "") for name in [KAFKA, *names, LOG_BINDING, S3PROXY]]
    for jar in jars:
        jar.download(context)
    lines = [f"{jar.coordinate} {_sha256(jar.path_in(repository))}\n" for jar in jars]
    LOCK_FILE.write_text("# group:artifact:version[:classifier] sha256\n" + "".join(lines), "utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    _lock(Path(sys.argv[1]))
