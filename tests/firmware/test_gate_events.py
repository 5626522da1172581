"""Row 24 of what we promise, in the firmware's own files under the MicroPython unix port: gate
events through power cuts at every flash write, a day's outage, and wrong clocks."""

import pytest

from tests.firmware.running import report

pytestmark = pytest.mark.timeout(120)


def test_a_power_cut_at_any_flash_write_loses_no_event_and_makes_none():
    told = report("power_cuts")
    assert told["cuts"] >= told["runs"] >= 6 * told["writes"], "every cut bit"
    assert told["erases"] > 3, "the ring went round"
    assert told["torn"] > 0, "torn records were there to be ignored"
    assert told["again"] > 0, "acknowledgements were torn too: those events came again, same id"
    assert (told["lost"], told["extra"], told["disordered"]) == (0, 0, 0)
    assert told["wrong_times"] == 0, "within 2 s of the truth, or none is told"
    assert told["timeless"] > 0, "cut before the clock was known"


def test_negative_control_an_event_given_up_at_the_brokers_puback_is_lost():
    assert report("power_cuts", "erase-on-puback")["lost"] > 0


def test_negative_control_without_the_crc_torn_records_become_events():
    assert report("power_cuts", "no-crc")["garbage"] > 0


def test_boot_numbers_only_grow_whenever_the_power_goes():
    told = report("journal_cuts")
    assert told["cuts"] == 5 * told["writes"], "every cut bit"
    assert told["wrong"] == 0
    assert told["begins_later"] >= 1 << 20, "flashed again a second later, it begins beyond"


DELIVERIES = (
    "an_ack_of_no_known_result_gives_nothing_up",
    "a_link_that_comes_and_goes_does_not_hold_events_for_ever",
    "a_full_ring_keeps_the_moment_of_the_clock_once_there_is_room",
    "a_clock_that_is_set_right_sets_right_what_it_told_before",
    "a_crystal_that_drifts_is_no_clock_that_was_wrong",
    "a_slot_that_rots_is_skipped",
    "a_worn_cell_loses_no_boot_number",
    "only_the_image_that_runs_is_confirmed_and_only_by_what_was_accepted",
    "a_retained_command_is_not_obeyed",
    "a_restart_waits_for_the_vehicle_in_the_gate_but_not_for_ever",
    "a_vehicle_that_comes_during_the_goodbye_is_waited_for",
)


@pytest.mark.parametrize("behaviour", DELIVERIES)
def test_delivery(behaviour: str):
    report("deliveries", behaviour)


@pytest.fixture(scope="module")
def outages():
    return report("outage")


def test_a_day_without_network_and_clock_loses_nothing_and_tells_when_within_2_s(outages):
    told = outages["outage"]
    assert (told["events"], told["once"], told["ordered"], told["left"]) == (1000, True, True, 0)
    assert told["without_time"] == 0
    assert told["off_ms"] <= 2000


@pytest.mark.parametrize("year", ["2000", "2021"])
def test_a_clock_of_another_year_is_not_believed(outages, year):
    assert outages[year]["refused"] == 1
    assert outages[year]["off_ms"] <= 2000


def test_negative_control_with_any_clock_believed_times_are_years_off():
    told = report("outage", "believe-any-clock")
    assert told["2000"]["off_ms"] > 2000
    assert told["2021"]["off_ms"] > 2000


def test_one_answer_that_jumps_is_not_believed_two_that_agree_are(outages):
    assert outages["jump"]["refused"] == 1
    assert outages["jump"]["off_ms"] <= 2000
    assert outages["real_jump"]["taken"] == [False, True]
    assert outages["real_jump"]["off_ms"] <= 2000


def test_times_known_before_a_power_cut_are_known_after_it(outages):
    assert outages["cut_after"]["without_time"] == 0
    assert outages["cut_after"]["off_ms"] <= 2000


def test_when_nobody_can_know_the_time_none_is_made_up(outages):
    told = outages["cut_before"]
    assert (told["without_time"], told["events"], told["once"]) == (100, 100, True)


def test_a_full_ring_keeps_the_oldest_and_counts_what_it_refuses(outages):
    told = outages["full"]
    assert told["held"] == told["capacity"] == told["events"] >= 1000
    assert told["refused"] == told["counted"] == 2000 - told["capacity"]
    assert told["ordered"]
    assert told["again"], "there is room again once they are delivered"
