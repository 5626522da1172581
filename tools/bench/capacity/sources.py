"""The source trees whose services are measured."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.bench.capacity.stack import environment
from tools.stack.settings import ROOT


class NoSuchTree(Exception):
    """A commit that cannot be measured. The message gives the reason."""


@contextmanager
def checked_out(commit: str, scratch: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Provide a git worktree of the commit, which is removed when the block ends. Raises
    NoSuchTree."""
    tree = scratch / "before"
    done = _git("worktree", "add", "--detach", str(tree), commit)
    if done.returncode != 0:
        raise NoSuchTree(f"git has no tree of {commit}: {done.stderr.strip()[-200:]}")
    try:
        _check(tree, environ)
        yield tree
    finally:
        _git("worktree", "remove", "--force", str(tree))


def _check(tree: Path, environ: Mapping[str, str]) -> None:
    """Check that the services' modules are imported from there, and not from an installed copy."""
    program = "import parking, services.detector as d; print(parking.__file__, d.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environ, **environment(tree)},
        capture_output=True,
        text=True,
        check=True,
    )
    if done.stdout.count(str(tree.resolve())) != 2:
        raise NoSuchTree(f"the modules of {tree} are not the ones that would run: {done.stdout}")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments],  # noqa: S607 -- as found on PATH, like in make
        capture_output=True,
        text=True,
        check=False,
    )
