import pytest

from parking.core.errors import Invalid
from parking.core.topics import (
    BATCH_BYTES,
    DETECTIONS,
    ENVELOPE_BYTES,
    LAYOUTS,
    SLOT_STATE,
    TOPICS,
    TRACKER_CHECKPOINTS,
    mqtt_filter,
    mqtt_topic,
    parse_mqtt_topic,
    site_of,
)


@pytest.mark.parametrize(
    ("topic", "kind", "numbers"),
    [
        ("parking/v1/demo/north/frame/3/128/1795000000000", "frame", (3, 128, 1_795_000_000_000)),
        ("parking/v1/demo/north/frame", "frame", (None, None, None)),
        ("parking/v1/demo/gate-1/gate/3/17", "gate", (3, 17, None)),
        ("parking/v1/demo/north/status", "status", (None, None, None)),
        ("parking/v1/demo/north/telemetry", "telemetry", (None, None, None)),
    ],
)
def test_a_devices_topics_are_taken_apart(topic, kind, numbers):
    parsed = parse_mqtt_topic(topic)
    assert parsed.kind == kind
    assert (parsed.boot_id, parsed.seq, parsed.captured_at_ms) == numbers
    assert parsed.site_id == "demo"
    assert parsed.device_id.startswith("demo/")


@pytest.mark.parametrize(
    "topic",
    [
        "parking/v1/demo/north",
        "parking/v1/demo/north/frame/3/128",
        "parking/v1/demo/north/frame/3/-1/5",
        "parking/v1/demo/north/gate/3",
        "parking/v1/Demo/north/status",
        "parking/v1/demo/../status",
        "parking/v1/demo/north/status\n",
        "parking/v1/demo/north/ack",
        "other/v1/demo/north/status",
        "parking/v1/demo/north/frame/3/12345678901234567/5",
        "",
    ],
)
def test_any_other_topic_is_invalid(topic):
    with pytest.raises(Invalid) as caught:
        parse_mqtt_topic(topic)
    assert caught.value.reason == "bad-topic"


def test_a_topic_is_built_as_it_is_read():
    assert parse_mqtt_topic(mqtt_topic("demo/north", "frame", 3, 4, 5)).seq == 4


def test_site_of_refuses_an_invalid_camera_id():
    assert site_of("demo/north") == "demo"
    with pytest.raises(Invalid):
        site_of("demo")


def test_site_keyed_topics_share_one_partition_count():
    shared = {t.partitions for t in TOPICS.values() if t.key == "site_id"}
    assert len(shared) == 1


@pytest.mark.parametrize("frame_max_bytes", [10_000, 1_000_000, 20_000_000])
def test_every_topic_takes_what_a_producer_sends_at_once(frame_max_bytes):
    producer_sends = max(BATCH_BYTES, frame_max_bytes + ENVELOPE_BYTES)
    for name, topic in TOPICS.items():
        if name == TRACKER_CHECKPOINTS:
            continue  # with limits of its own
        assert int(topic.config(frame_max_bytes)["max.message.bytes"]) >= producer_sends


def test_compacted_topics_have_no_age_limit():
    for topic in TOPICS.values():
        config = topic.config()
        assert (config["cleanup.policy"] == "compact") == ("retention.ms" not in config)


@pytest.mark.parametrize("frame_max_bytes", [10_000, 1_000_000, 20_000_000])
def test_compacted_topics_are_compacted_within_minutes_and_hold_their_largest_record(
    frame_max_bytes,
):
    """With Kafka's defaults, the last segment, which is never compacted, grows for a week or to 1
    GiB."""
    for topic in TOPICS.values():
        config = topic.config(frame_max_bytes)
        if not topic.compacted:
            continue
        assert int(config["segment.ms"]) <= 600_000
        largest = int(config["max.message.bytes"])
        assert largest <= int(config["segment.bytes"]) <= max(largest, 16 * 1024 * 1024)
        assert float(config["min.cleanable.dirty.ratio"]) <= 0.1


def test_every_topic_is_bounded_in_bytes_and_time_or_by_its_keys():
    """Kafka removes whole segments, so at most one segment more than the limit is kept."""
    for topic in TOPICS.values():
        config = topic.config()
        if topic.compacted:
            continue
        kept_ms, kept_bytes = int(config["retention.ms"]), int(config["retention.bytes"])
        assert 0 < kept_bytes <= 4_000_000_000, topic.name
        assert int(config["segment.ms"]) <= kept_ms / 8, topic.name
        largest = int(config["max.message.bytes"])
        assert largest <= int(config["segment.bytes"]) <= kept_bytes, topic.name


def test_replaced_layouts_are_available_as_long_as_their_detections():
    kept_ms = int(TOPICS[DETECTIONS].config()["retention.ms"])
    assert int(TOPICS[LAYOUTS].config()["min.compaction.lag.ms"]) >= kept_ms
    assert "min.compaction.lag.ms" not in TOPICS[SLOT_STATE].config()


def test_what_a_replay_writes_is_kept_until_it_is_read():
    for topic in TOPICS.values():
        if topic.compacted:
            assert int(topic.config(run="a")["min.compaction.lag.ms"]) > 24 * 3_600_000


@pytest.mark.parametrize(
    ("suffix", "group", "topic"),
    [
        ("frame/#", "", "parking/v1/+/+/frame/#"),
        ("frame/#", "lot", "$share/lot/parking/v1/+/+/frame/#"),
        ("status", "lot", "parking/v1/+/+/status"),
        ("$SYS/broker/refused", "lot", "$SYS/broker/refused"),
    ],
)
def test_what_a_bridge_subscribes_to(suffix: str, group: str, topic: str):
    assert mqtt_filter(suffix, group) == topic
