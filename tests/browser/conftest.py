"""One system for all browser tests. Each test has its own sites."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.watching import CACHE, E2E
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    """Run Kafka, the tracker and the notifier for these tests only, because the page shows all
    their sites."""
    paths = Paths(tmp_path_factory.mktemp("browser") / "state", CACHE)
    with Infra(paths, os.environ, parts=("kafka",)) as infra:
        infra.start_service("tracker", {"TRACKER_TICK_S": "0.5"})
        infra.start_service("notifier")
        yield infra


@pytest.fixture(scope="session")
def e2e() -> Path:
    """Install the packages that the checks need, in addition to those of the build."""
    installed = E2E / "node_modules" / ".package-lock.json"
    lock = E2E / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm = [sys.executable, "-m", "tools.stack.node", "npm", "ci", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=E2E, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    return E2E
