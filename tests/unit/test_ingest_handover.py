"""The queue between MQTT and Kafka is bounded, and PUBACKs are sent in the order of receipt."""

from hypothesis import given
from hypothesis import strategies as st

from parking.core.topics import mqtt_topic
from parking.wire.ports import Outgoing
from services.ingest.handler import handle_message
from services.ingest.handover import AckOrder, Delivery, Item, Room
from services.ingest.messages import Context, Handled, Message

RECORD = Outgoing("topic", None, b"")


def item(camera: str | None = None, sender: str = "") -> Item:
    handled = Handled("frame" if camera else "gate", (RECORD,), frame_of=camera)
    return Item(handled, Delivery(1, None), sender)


def test_everything_is_taken_in_the_order_of_receipt():
    room = Room(10, 10)
    items = [item("a"), item(), item("b"), item("a")]
    assert [room.put(i) for i in items] == [None] * 4
    assert room.take(3) + room.take(3) == items
    assert len(room) == 0


def test_senders_take_turns_so_that_a_flood_holds_up_nobody_else():
    room = Room(10, 1_000)
    flood = [item(sender="a/bad") for _ in range(500)]
    others = [item(sender=f"b/gate-{n}") for n in range(3) for _ in range(2)]
    for waiting in (*flood, *others):
        room.put(waiting)
    first = room.take(8)
    assert set(map(id, others)) <= set(map(id, first)), "each waited for two of the flood"
    assert [i for i in first + room.take(1_000) if i.sender == "a/bad"] == flood, "in its order"
    assert len(room) == 0


def test_a_client_that_left_leaves_no_queue_behind():
    room = Room(1, 10)
    for number in range(1_000):
        room.put(item(f"camera-{number}", sender=f"a/camera-{number}"))
        if number % 100 == 0:
            room.take(5)
    assert len(room._queues) <= 101  # noqa: SLF001 -- what it holds is what is asked
    room.take(5)
    assert len(room._queues) == 0  # noqa: SLF001


def test_beyond_the_limit_the_busiest_camera_loses_its_oldest_frame():
    room = Room(3, 10)
    quiet, *busy = [item("quiet"), item("busy"), item("busy"), item("busy")]
    assert room.put(quiet) is None
    assert [room.put(i) for i in busy] == [None, None, busy[0]]
    assert room.take(10) == [quiet, *busy[1:]]


def test_frames_never_fill_the_room_and_events_are_never_dropped():
    room = Room(2, 3)
    events = [item() for _ in range(3)]
    for number, event in enumerate(events):
        assert not room.is_full
        for _ in range(5):
            room.put(item(f"camera-{number}"))
        assert room.put(event) is None
    assert room.is_full
    assert room.put(extra := item()) is None, "what one read brings beyond the limit is kept"
    taken = room.take(100)
    assert [i for i in taken if i.handled.frame_of is None] == [*events, extra]
    assert len(taken) == 2 + 4
    assert not room.is_full


def test_while_kafka_is_away_only_the_newest_frame_of_each_camera_stays():
    room = Room(10, 10)
    old, event, sent = item("a"), item(), item("b")
    newer, newest = item("a"), item("a")
    for waiting in (newer, newest):
        room.put(waiting)
    kept, given_way = room.thin([old, event, sent])
    assert kept == [event, sent]
    assert given_way == [old, newer]
    assert room.take(10) == [newest]


def refused(payload: bytes, number: int, kind: str = "frame") -> Item:
    numbers = (1, number, 1000) if kind == "frame" else (1, number)
    topic = mqtt_topic("demo/bad", kind, *numbers)
    return Item(handle_message(Message(topic, payload, 1000), Context()), Delivery(1, None))


def test_one_cameras_refused_pictures_cannot_fill_the_room():
    """Each of them has 1 MB and waits while Kafka is unreachable."""
    room = Room(32, 200)
    good, other = item("demo/good"), item()
    room.put(good)
    room.put(other)
    bad = [refused(b"\xff" * 999_000, number) for number in range(1, 300)]
    for one in bad:
        room.put(one)
    assert len(room) == 33
    assert not room.is_full
    room.thin([])
    assert room.take(10) == [good, other, bad[-1]]


def test_large_events_fill_the_room_by_their_bytes():
    room = Room(32, 200, max_event_bytes=3_000_000)
    full = []
    for number in range(1, 5):
        room.put(refused(b"x" * 990_000, number, "gate"))
        room.put(item("a"))
        full.append(room.is_full)
    assert full == [False, False, False, True]
    room.take(1)
    full.append(room.is_full)
    room.take(100)
    room.put(refused(b"x" * 990_000, 5, "gate"))
    full.append(room.is_full)
    assert full[4:] == [False, False]


@given(st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=60), st.integers(1, 6))
def test_nothing_disappears_and_the_newest_frame_of_a_crowd_stays(cameras, limit):
    room = Room(limit, 1000)
    items = [item(camera) for camera in cameras]
    dropped = [gone for i in items if (gone := room.put(i)) is not None]
    taken = room.take(1000)
    assert sorted(map(id, taken + dropped)) == sorted(map(id, items))
    assert sum(1 for i in taken if i.handled.frame_of) <= limit
    assert all(i.handled.frame_of is not None for i in dropped)
    frames = [i for i in items if i.handled.frame_of]
    if frames:
        assert frames[-1] in taken


def test_acknowledgements_wait_for_all_that_came_before():
    order = AckOrder(1)
    first, second, third = (order.received(mid) for mid in (11, 12, 13))
    assert order.settle(second) == []
    assert order.settle(first) == [11, 12]
    assert order.settle(third) == [13]
    assert len(order) == 0


def test_a_message_without_a_number_owes_nothing():
    order = AckOrder(1)
    before = order.received(1)
    assert order.settle(order.received(None)) == []
    assert order.settle(before) == [1]


@given(st.permutations(range(12)))
def test_any_order_of_effects_gives_one_order_of_acknowledgements(settled):
    order = AckOrder(1)
    deliveries = [order.received(mid) for mid in range(12)]
    sent = [mid for number in settled for mid in order.settle(deliveries[number])]
    assert sent == list(range(12))
