"""A failing task of a device ends the connection, which is then opened again. A finished connection
is closed and not left to the garbage collector. The tests run under the MicroPython unix port."""

import pytest

from tests.firmware.running import report
from tools.stack.checks import free_ports

BEHAVIOURS = (
    "a_command_that_fails_ends_the_connection",
    "a_picture_that_fails_ends_the_connection",
    "a_packet_that_was_cut_short_ends_the_connection",
    "nothing_ends_a_connection_that_works",
    "what_is_called_off_is_no_failure",
    "the_heap_is_swept_after_a_memory_error",
    "an_interval_counts_from_the_last_picture",
    "a_viewer_who_was_answered_is_hung_up_on",
    "a_phone_that_was_answered_is_hung_up_on",
    "a_server_whose_answer_is_not_wanted_is_hung_up_on",
)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_behaviour(behaviour: str):
    report("endings", behaviour, str(free_ports(1)[0]))
