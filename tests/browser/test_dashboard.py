"""The dashboard in a real Chromium, against the real notifier, tracker and Kafka.

dashboard/e2e/check.mjs contains the steps. Its screenshots are kept in .state/screenshots.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from parking.access.keys import KeyFile
from tests.browser.feeding import Feeder
from tests.browser.watching import CACHE, SCREENSHOTS, watch
from tools.stack.infra import Infra

SITE = "station"
STEPS = 14

pytestmark = pytest.mark.timeout(300)


def test_people_see_and_command_the_lot_in_a_browser(stack: Infra, e2e: Path, record_property):
    key = KeyFile(stack.keys_file).add("browser", "write", "devices")
    arguments = [stack.url("notifier"), SITE, key, str(CACHE), str(SCREENSHOTS)]
    with Feeder(stack.bootstrap, SITE) as camera:
        wishes: dict[str, Callable[[], object]] = {
            "restart": lambda: stack.kill("notifier"),
            "silence": camera.silence,
            "resume": camera.resume,
        }
        checked = watch(e2e / "check.mjs", arguments, wishes)
    assert len(checked) == STEPS, checked
    for line in checked:
        record_property("browser", line)
