"""The firmware's smaller decisions, in its own files under the MicroPython unix port, and the herd:
200 devices after a broker restart, as a simulation of the back-off.
tests/stack/test_firmware_link.py connects the real client to a real broker."""

import pytest

from tests.firmware.running import report

BEHAVIOURS = (
    *(
        "directions",
        "bounces",
        "pictures",
        "status_reports",
        "settings",
        "names_everywhere",
        "viewers",
    ),
    *("time_server", "hang", "forged", "link_lost_while_waiting", "late", "together", "kept_edges"),
)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_behaviour(behaviour: str):
    report("decisions", behaviour)


def test_200_devices_reconnect_at_no_more_than_20_a_second():
    result = report("decisions", "herd")
    assert result["worst"] <= 20
    assert result["without_jitter"] == 200, "NC: without jitter they all come at once"
