"""The operators' page in English and Indonesian, in a real Chromium, against a notifier in this
process.

dashboard/e2e/languages.mjs contains the steps. Its screenshots are kept in .state/screenshots.
"""

import asyncio
from pathlib import Path

import pytest

from parking.core.events import SiteSettings
from tests.browser.test_driver_view import MINUTE_MS, records
from tests.browser.watching import CACHE, SCREENSHOTS, watch
from tests.support.notifier_instance import Backend, Given, Instance
from tools.stack.settings import ROOT

STEPS = 1 + 3 * 9 + 1

pytestmark = pytest.mark.timeout(500)


async def test_operators_read_every_page_in_their_language(e2e: Path, record_property):
    backend = Backend(None)
    await backend.write(*records("lot", 3_000, SiteSettings(), MINUTE_MS))
    given = Given(dashboard=ROOT / "dashboard" / "dist")
    async with Instance(backend, given) as notifier:
        arguments = [notifier.url, "lot", str(CACHE), str(SCREENSHOTS)]
        checked = await asyncio.to_thread(watch, e2e / "languages.mjs", arguments, {})
    assert len(checked) == STEPS, checked
    for line in checked:
        record_property("browser", line)
