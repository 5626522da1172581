"""Share files of tests between processes that run side by side: each file goes to the process that
asks for it first, so that none waits while another one still has files to run.

    pytest --claims=FOLDER ...

Every process must be given the same new folder. Without the option a process runs all its tests.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest


class Claims:
    """The files of tests that this process has claimed in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mine: dict[Path, bool] = {}

    def claim(self, file: Path) -> bool:
        """Return whether the file belongs to this process. The first process to ask gets it."""
        if file not in self._mine:
            self._mine[file] = self._is_first(file)
        return self._mine[file]

    def _is_first(self, file: Path) -> bool:
        try:
            (self._folder / str(file).replace("/", "+")).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def claimed(items: list[pytest.Item], claims: Claims) -> Iterator[pytest.Item | None]:
    """Yield the tests of this process, then None. A file is claimed when its first test is asked
    for, and not before."""
    for item in items:
        if claims.claim(item.path):
            yield item
    yield None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--claims", metavar="FOLDER", help="run only files no other process claimed")


@pytest.hookimpl(tryfirst=True)  # in place of pytest's own loop
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    folder = session.config.getoption("--claims")
    if not folder or session.testsfailed or session.config.option.collectonly:
        return None
    for item, following in pairwise(claimed(session.items, Claims(Path(folder)))):
        assert item is not None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    return True
