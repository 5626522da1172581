"""Draw slots in a real Chromium for cameras without any, by mouse and by keyboard alone.

dashboard/e2e/slots.mjs contains the steps.
"""

from pathlib import Path

import httpx
import pytest

from parking.access.keys import KeyFile
from tests.browser.feeding import Feeder
from tests.browser.watching import CACHE, SCREENSHOTS, watch
from tools.stack.infra import Infra

MOUSE, KEYBOARD = "yard", "court"
STEPS = 10

pytestmark = pytest.mark.timeout(300)


def test_slots_are_drawn_in_a_browser_until_they_have_a_colour(
    stack: Infra, e2e: Path, record_property
):
    key = KeyFile(stack.keys_file).add("editor", "write")
    url = stack.url("notifier")
    arguments = [url, MOUSE, KEYBOARD, key, str(CACHE), str(SCREENSHOTS)]

    def detect(camera: Feeder, site: str) -> None:
        layout = httpx.get(f"{url}/api/cameras/{site}/north/layout").json()
        camera.draw(layout["version"], [slot["slot_id"] for slot in layout["slots"]])

    with (
        Feeder(stack.bootstrap, MOUSE, published=False) as yard,
        Feeder(stack.bootstrap, KEYBOARD, published=False) as court,
    ):
        wishes = {
            f"detect {MOUSE}": lambda: detect(yard, MOUSE),
            f"detect {KEYBOARD}": lambda: detect(court, KEYBOARD),
        }
        checked = watch(e2e / "slots.mjs", arguments, wishes)
    assert len(checked) == STEPS, checked
    for line in checked:
        record_property("browser", line)
