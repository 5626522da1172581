"""The dashboard in a real Chromium, against the real notifier, tracker and Kafka.

What is looked at, step by step, is in dashboard/e2e/check.mjs; its screenshots are kept in
.state/screenshots.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parking.keys import KeyFile
from parking.stack import node
from parking.stack.infra import Infra
from parking.stack.settings import ROOT, Paths
from tests.browser.feeding import Feeder

E2E = ROOT / "dashboard" / "e2e"
CACHE = ROOT / ".state" / "cache"
SCREENSHOTS = ROOT / ".state" / "screenshots"
SITE = "station"
STEPS = 14

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infra]:
    """Kafka, the tracker and the notifier, of this test alone: a page shows all sites there are."""
    paths = Paths(tmp_path_factory.mktemp("browser") / "state", CACHE)
    with Infra(paths, os.environ, parts=("kafka",)) as infra:
        infra.start_service("tracker", {"TRACKER_TICK_S": "0.5"})
        infra.start_service("notifier")
        yield infra


@pytest.fixture(scope="module")
def e2e() -> Path:
    """The check's own packages; they are apart from those that the build needs."""
    installed = E2E / "node_modules" / ".package-lock.json"
    lock = E2E / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm = [sys.executable, "-m", "parking.stack.node", "npm", "ci", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=E2E, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    return E2E


def test_people_see_and_command_the_lot_in_a_browser(stack: Infra, e2e: Path, record_property):
    index = ROOT / "dashboard" / "dist" / "index.html"
    assert index.exists(), "the dashboard is not built: make dashboard"
    key = KeyFile(stack.keys_file).add("browser", "write", "devices")
    arguments = [stack.url("notifier"), SITE, key, str(CACHE), str(SCREENSHOTS)]
    said = []
    with Feeder(stack.bootstrap, SITE) as camera:
        wishes: dict[str, Callable[[], object]] = {
            "restart": lambda: stack.kill("notifier"),
            "silence": camera.silence,
            "resume": camera.resume,
        }
        command = [str(node.NODE), str(e2e / "check.mjs"), *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as check:
            try:
                assert check.stdout is not None
                for line in check.stdout:
                    said.append(line)
                    wishes.get(line.strip(), lambda: None)()
                check.wait(30)
            finally:
                check.kill()
    assert check.returncode == 0, "".join(said)
    checked = [line.strip() for line in said if line.startswith("ok: ")]
    assert len(checked) == STEPS, "".join(said)
    for line in checked:
        record_property("browser", line)
