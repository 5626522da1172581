"""docs/settings.md names every setting that a service reads."""

import re

import pytest

from tools.docs.settings import COMMON, PAGE, SERVICES, names_read, page
from tools.stack.settings import ROOT


def documented(name: str, text: str) -> bool:
    spellings = {name, name.removesuffix("_FILE"), f"{name}_FILE"}
    names = set(re.findall(r"[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]\b|\bSHARES\b|\bRUN\b", text))
    groups = re.findall(r"([A-Z0-9]+_(?:[A-Z0-9]+_)*)\*", text)
    return not spellings.isdisjoint(names) or name.startswith(tuple(groups))


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_that_a_service_reads_is_documented(service: str):
    own, read = SERVICES[service]
    text = COMMON + own
    assert len(names_read(read)) > 10
    assert [name for name in names_read(read) if not documented(name, text)] == []


def test_a_setting_that_nobody_documented_is_noticed():
    text, _ = SERVICES["tracker"]
    assert documented("TRACKER_TICK_S", text)
    assert not documented("TRACKER_TOCK_S", text)


def test_the_page_is_the_generated_one():
    assert (ROOT / PAGE).read_text("utf-8") == page()
