"""The costs in docs/deploy.md follow from the prices there and from the template's sizes."""

import re
from typing import Final

import pytest

from tests.support.aws import TEMPLATE
from tools.stack.settings import ROOT

HOURS: Final = 730  # a month
DETECTOR_DISK_GIB: Final = 8
TEXT: Final = (ROOT / "docs" / "deploy.md").read_text("utf-8").split("## Cost after the credits")[1]


def rows(head: str) -> dict[str, list[str]]:
    """Return the rows of the table that begins with this heading, by their first cell."""
    table = TEXT.split(f"| {head} |")[1].split("\n\n")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {cells[0]: cells[1:] for cells in lines}


def price(name: str) -> float:
    return float(rows("Part")[name][0].split()[0])


@pytest.mark.parametrize("size", ["t3.micro", "t3.small"])
def test_the_sum_of_each_size_is_that_of_its_parts(size: str) -> None:
    [default] = re.findall(r"BackendDiskGib:\n.*\n    Default: (\d+)", TEMPLATE.read_text("utf-8"))
    assert f"VolumeSize: {DETECTOR_DISK_GIB}," in TEMPLATE.read_text("utf-8")
    cells = rows("Both instances")[size]
    for cameras, cell in zip((1, 4, 10), cells, strict=True):
        disk_gib = DETECTOR_DISK_GIB + (30 if cameras == 10 else int(default))
        month = HOURS * (2 * price(size) + price("public IPv4 address"))
        month += price("db.t3.micro, 20 GB") + disk_gib * price("gp3") + 5 * price("S3")
        assert cell == f"{month:.0f} ({month / cameras:.1f})"


def test_the_brokers_of_size_city_and_an_own_computer() -> None:
    text = " ".join(TEXT.split())
    [low, high] = re.findall(r"between (\S+) and (\S+) USD per hour for each", text)[0]
    month = [4 * HOURS * float(one) for one in (low, high)]
    assert f"between {month[0]:.0f} and {month[1]:.0f} per month" in text
    assert f"between {month[0] / 100:.1f} and {month[1] / 100:.1f} per camera" in text
    assert "NumberOfBrokerNodes: 4" in TEMPLATE.read_text("utf-8")
    own = 15 * HOURS / 1000 * 0.30
    assert f"costs {own:.1f} per month" in text
    assert f"that is {own / 100:.2f} per camera" in text
