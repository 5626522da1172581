"""Vehicles pass while the board's loop is blocked (by a look-up or a handshake). The loops are the
firmware's own under the MicroPython unix port, and a thread drives the inputs."""

import pytest

from tests.firmware.running import report

pytestmark = pytest.mark.timeout(90)
HELD_S, VEHICLES = 10, 42


def held_up(vehicles: int, held_s: int, *more: object):
    return report("held_up", str(held_s), str(vehicles), *map(str, more))


def test_passages_while_the_loop_is_blocked_are_kept_in_order_with_their_own_times():
    result = held_up(VEHICLES, HELD_S, 1024)
    assert result["events_before"] == 0
    assert result["edges_held_up"] > VEHICLES, "they passed meanwhile"
    assert len(result["truth"]) == VEHICLES
    assert result["kept"] == result["truth"], "each way, each to the millisecond of its last edge"
    assert result["edges_lost"] == 0


def test_negative_control_a_loop_that_looks_at_its_inputs_itself_loses_them():
    result = held_up(VEHICLES, HELD_S, 1024, "polling")
    assert len(result["kept"]) < len(result["truth"]) // 2


def test_a_ring_that_is_too_small_counts_what_it_loses_and_makes_nothing_up():
    result = held_up(12, 3, 16)
    assert result["edges_lost"] > 0
    assert 0 < len(result["kept"]) < len(result["truth"])
    assert all(one in result["truth"] for one in result["kept"])


@pytest.mark.parametrize("kind", ["contacts", "ultrasonic"])
def test_the_boards_inputs_with_simulated_pins(kind: str):
    report("inputs", kind)
