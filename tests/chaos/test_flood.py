"""While a device of one site floods the broker with gate events, the other site's changes stay on
time through every process."""

import os
from collections.abc import Callable

import pytest

from tools.bench.flood import BURST, measure
from tools.bench.latency import Plan, percentile
from tools.stack.settings import ROOT

FRAMES = 60
LIMIT_MS = 1_000
pytestmark = [pytest.mark.nightly, pytest.mark.stack, pytest.mark.timeout(600)]


def test_a_flood_of_one_site_leaves_the_others_changes_on_time(
    record_property: Callable[[str, object], None],
) -> None:
    plan = Plan(ROOT / "demo", FRAMES, 1_000, 0)
    measured = measure(plan, os.environ, {})
    record_property("measured", measured.row())
    assert len(measured.during_ms) >= FRAMES // 2
    assert measured.refused > BURST, "the flood was one"
    assert percentile(measured.during_ms, 95) < LIMIT_MS
