"""What stands between faust and the tracker: no record may be passed over."""

import pytest
from mode.utils.queues import FlowControlQueue

from parking.ports import Record
from services.tracker.adapters import Order, Valve


def record(offset: int, partition: int = 0) -> Record:
    return Record("topic", partition, offset, b"k", b"v")


async def test_opening_an_open_valve_keeps_what_is_buffered():
    valve = Valve()
    buffer: FlowControlQueue[int] = FlowControlQueue(
        maxsize=8, flow_control=valve, clear_on_resume=True
    )
    valve.resume()
    await buffer.put(1)
    valve.resume()
    assert buffer.qsize() == 1
    valve.suspend()
    valve.resume()  # an earlier assignment's records are of no use
    assert buffer.qsize() == 0


def test_records_in_order_and_delivered_again_pass():
    order = Order()
    for offset in (7, 8, 9, 7, 8, 9, 10):
        order.check(record(offset), generation=1)
    order.check(record(3, partition=1), generation=1)


def test_a_record_that_came_too_early_ends_the_process():
    order = Order()
    order.check(record(7), generation=1)
    with pytest.raises(RuntimeError, match="offset 9 came where 8 was due"):
        order.check(record(9), generation=1)


def test_partitions_dealt_out_anew_may_start_anywhere():
    order = Order()
    order.check(record(7), generation=1)
    order.check(record(40), generation=2)
