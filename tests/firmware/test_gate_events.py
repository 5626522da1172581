"""Row 24 of our promises, in the firmware's own files under the MicroPython unix port: gate events
through power cuts at every flash write, a day's outage, and wrong clocks."""

import pytest

from tests.firmware.running import report

pytestmark = pytest.mark.timeout(120)


def test_a_power_cut_at_any_flash_write_loses_no_event_and_makes_none():
    result = report("power_cuts")
    assert result["cuts"] >= result["runs"] >= 6 * result["writes"], "every cut bit"
    assert result["erases"] > 3, "the ring went round"
    assert result["torn"] > 0, "torn records were there to be ignored"
    assert result["again"] > 0, "acknowledgements were torn too: those events came again, same id"
    assert (result["lost"], result["extra"], result["disordered"]) == (0, 0, 0)
    assert result["wrong_times"] == 0, "within 2 s of the truth, or none is reported"
    assert result["timeless"] > 0, "cut before the clock was known"


def test_negative_control_an_event_given_up_at_the_brokers_puback_is_lost():
    assert report("power_cuts", "erase-on-puback")["lost"] > 0


def test_negative_control_without_the_crc_torn_records_become_events():
    assert report("power_cuts", "no-crc")["garbage"] > 0


def test_boot_numbers_only_grow_whenever_the_power_goes():
    result = report("journal_cuts")
    assert result["cuts"] == 5 * result["writes"], "every cut bit"
    assert result["wrong"] == 0
    assert result["begins_later"] >= 1 << 20, "flashed again a second later, it begins beyond"


DELIVERIES = (
    "an_ack_of_no_known_result_gives_nothing_up",
    "a_link_that_comes_and_goes_does_not_hold_events_for_ever",
    "a_full_ring_keeps_the_moment_of_the_clock_once_there_is_room",
    "a_corrected_clock_corrects_earlier_times",
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
    result = outages["outage"]
    assert (result["events"], result["once"], result["ordered"], result["left"]) == (
        1000,
        True,
        True,
        0,
    )
    assert result["without_time"] == 0
    assert result["off_ms"] <= 2000


@pytest.mark.parametrize("year", ["2000", "2021"])
def test_a_clock_of_another_year_is_not_believed(outages, year):
    assert outages[year]["refused"] == 1
    assert outages[year]["off_ms"] <= 2000


def test_negative_control_with_any_clock_believed_times_are_years_off():
    result = report("outage", "believe-any-clock")
    assert result["2000"]["off_ms"] > 2000
    assert result["2021"]["off_ms"] > 2000


def test_one_answer_that_jumps_is_not_believed_two_that_agree_are(outages):
    assert outages["jump"]["refused"] == 1
    assert outages["jump"]["off_ms"] <= 2000
    assert outages["real_jump"]["taken"] == [False, True]
    assert outages["real_jump"]["off_ms"] <= 2000


def test_times_known_before_a_power_cut_are_known_after_it(outages):
    assert outages["cut_after"]["without_time"] == 0
    assert outages["cut_after"]["off_ms"] <= 2000


def test_an_unknowable_time_is_not_invented(outages):
    result = outages["cut_before"]
    assert (result["without_time"], result["events"], result["once"]) == (100, 100, True)


def test_a_full_ring_keeps_the_oldest_and_counts_what_it_refuses(outages):
    result = outages["full"]
    assert result["held"] == result["capacity"] == result["events"] >= 1000
    assert result["refused"] == result["counted"] == 2000 - result["capacity"]
    assert result["ordered"]
    assert result["again"], "there is room again once they are delivered"
