"""Every Kafka topic, MQTT topic and object key of the system: the only place that spells them.

`deploy/kafka/` and the embedded stack create the Kafka topics from `TOPICS`. Keys are raw UTF-8 and
every producer uses murmur2 (the default of aiokafka, faust and Java), so that one site's records
share one partition number in every site-keyed topic.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from parking.errors import Invalid

# Raising a partition count later moves keys and breaks checkpoints and compaction: it is a
# migration, so the counts are larger than a first lot needs.
SITE_PARTITIONS: Final = 12
FRAME_PARTITIONS: Final = 12

FRAME_MAX_BYTES: Final = 1_000_000
ENVELOPE_BYTES: Final = 65_536
# What a client puts into one request to one partition: small records share it, so every topic must
# take that much. Frames of 80 kB: with 16 kB, aiokafka's default, each would be a request.
BATCH_BYTES: Final = 1_048_576
# A site's whole state in a checkpoint of the tracker.
SITE_MAX_BYTES: Final = 16_000_000

LIVE: Final = "live"

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS

# Kafka never compacts a partition's last segment, which by default grows for a week or to 1 GiB,
# nor the others before half of what they hold is new: who reads a topic of few keys whole would
# read a week. A segment has to hold the largest record there can be, SITE_MAX_BYTES.
_SEGMENT_MS: Final = 600_000
_SEGMENT_BYTES: Final = 16_777_216
# What is clean holds one record a key, so cleaning it again for a tenth more costs little.
_DIRTY_SHARE: Final = "0.1"
# How long what has been replaced since can be had: as long as the detections it belongs to.
_HISTORY_MS: Final = 7 * _DAY_MS


def record_max_bytes(frame_max_bytes: int) -> int:
    """The largest record, or batch of records, that a client sends and a topic takes."""
    return max(BATCH_BYTES, frame_max_bytes) + ENVELOPE_BYTES


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic: what keys it, how many partitions, how long its records are kept."""

    name: str
    key: str
    partitions: int
    retention_ms: int | None = None
    retention_bytes: int | None = None
    compacted: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    def config(self, frame_max_bytes: int = FRAME_MAX_BYTES, run: str = LIVE) -> dict[str, str]:
        """Kafka's topic configuration, values as strings (bytes, ms). What a replay writes is read
        whole at its end, so that nothing of it may be compacted before."""
        config = {"message.timestamp.type": "LogAppendTime"}
        config["cleanup.policy"] = "compact" if self.compacted else "delete"
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        if self.retention_bytes is not None:
            config["retention.bytes"] = str(self.retention_bytes)
        config["max.message.bytes"] = str(record_max_bytes(frame_max_bytes))
        config |= self.extra
        if self.compacted:
            # Kafka refuses a record larger than a segment.
            largest = int(config["max.message.bytes"])
            config["segment.bytes"] = str(max(_SEGMENT_BYTES, largest))
            config["segment.ms"] = str(_SEGMENT_MS)
            config["min.cleanable.dirty.ratio"] = _DIRTY_SHARE
            if run != LIVE:
                config["min.compaction.lag.ms"] = str(_HISTORY_MS)
        return config


FRAMES: Final = "parking.frames"
GATE_EVENTS: Final = "parking.gate-events"
DEVICE_EVENTS: Final = "parking.device-events"
LAYOUTS: Final = "parking.layouts"
SITE_COMMANDS: Final = "parking.site-commands"
DETECTIONS: Final = "parking.detections"
SLOT_CHANGES: Final = "parking.slot-changes"
SLOT_STATE: Final = "parking.slot-state"
CAMERA_STATUS: Final = "parking.camera-status"
SESSIONS: Final = "parking.sessions"
PLATES: Final = "parking.plates"
DEAD_LETTERS: Final = "parking.dead-letters"
DEAD_LETTERS_FRAMES: Final = "parking.dead-letters.frames"
DEAD_LETTERS_MARKS: Final = "parking.dead-letters.marks"
TRACKER_CHECKPOINTS: Final = "parking.tracker-checkpoints"
TRACKER_BATCHES: Final = "parking.tracker-batches"
TRACKER_GROUP: Final = "parking.tracker"
OCCUPANCY: Final = "parking.occupancy"
ANALYTICS_CLOCK: Final = "parking.analytics-clock"
ANALYTICS_APP: Final = "parking.analytics"
ANALYTICS_TABLE: Final = "state"
ANALYTICS_CHANGELOG: Final = f"{ANALYTICS_APP}-{ANALYTICS_TABLE}-changelog"

TOPICS: Final[dict[str, Topic]] = {
    topic.name: topic
    for topic in (
        # A day of pictures is enough for evidence and replays; the byte limit is per partition.
        Topic(FRAMES, "camera_id", FRAME_PARTITIONS, _DAY_MS, 2_000_000_000),
        Topic(GATE_EVENTS, "site_id", SITE_PARTITIONS, 30 * _DAY_MS),
        Topic(DEVICE_EVENTS, "site_id", SITE_PARTITIONS, 7 * _DAY_MS),
        # One partition: the detector reads it whole, to its end, before its first frame. A window
        # of the last days is replayed with the layouts of then.
        Topic(
            LAYOUTS,
            "camera_id",
            1,
            compacted=True,
            extra={"min.compaction.lag.ms": str(_HISTORY_MS)},
        ),
        Topic(SITE_COMMANDS, "site_id", SITE_PARTITIONS, 30 * _DAY_MS),
        Topic(DETECTIONS, "site_id", SITE_PARTITIONS, _HISTORY_MS),
        Topic(SLOT_CHANGES, "site_id", SITE_PARTITIONS, 30 * _DAY_MS),
        Topic(SLOT_STATE, "site_id/slot_id", SITE_PARTITIONS, compacted=True),
        Topic(CAMERA_STATUS, "camera_id", SITE_PARTITIONS, compacted=True),
        Topic(SESSIONS, "site_id", SITE_PARTITIONS, 30 * _DAY_MS),
        # On the way to the database, which keeps them no longer than it must. Kafka removes whole
        # segments, which by default grow for a week.
        Topic(PLATES, "site_id", SITE_PARTITIONS, _DAY_MS, extra={"segment.ms": str(_HOUR_MS)}),
        Topic(DEAD_LETTERS, "original key", 1, 30 * _DAY_MS),
        Topic(DEAD_LETTERS_FRAMES, "camera_id", 1, _DAY_MS, 1_000_000_000),
        # Which letters were sent again (parking/deadletters.py), for longer than any letter is
        # kept: Kafka removes whole segments, which by default grow for a week.
        Topic(DEAD_LETTERS_MARKS, "the original", 1, 60 * _DAY_MS),
        Topic(
            TRACKER_CHECKPOINTS,
            "site_id",
            SITE_PARTITIONS,
            compacted=True,
            extra={"max.message.bytes": str(SITE_MAX_BYTES + ENVELOPE_BYTES)},
        ),
        # In which order the tracker took the records of its topics; kept as long as detections.
        Topic(TRACKER_BATCHES, "none", SITE_PARTITIONS, _HISTORY_MS),
        # Longer than its inputs: what is gone from them cannot be computed again.
        Topic(OCCUPANCY, "site_id", SITE_PARTITIONS, 90 * _DAY_MS),
        # A site's time, out of all inputs; only the latest counts, and what stands in it is told
        # again within a minute.
        Topic(ANALYTICS_CLOCK, "site_id", SITE_PARTITIONS, _DAY_MS),
        Topic(ANALYTICS_CHANGELOG, "site_id, or site_id/slot_id", SITE_PARTITIONS, compacted=True),
    )
}

# ---------------------------------------------------------------- runs
_RUN: Final = re.compile(r"[a-z0-9-]{1,40}")


def of_run(name: str, run: str) -> str:
    """What a topic, consumer group or application of this name is called in a run: `live` has the
    names as they are, a replay its own (`replay.{run}.{name}`), so that the two never meet. Raises
    Invalid("bad-run")."""
    if run == LIVE:
        return name
    if not _RUN.fullmatch(run):
        raise Invalid("bad-run", f"{run[:100]!r} is no name of a run: use [a-z0-9-]{{1,40}}")
    return f"replay.{run}.{name}"


# ---------------------------------------------------------------- identifiers
_PART: Final = r"[a-z0-9-]{1,40}"
_CAMERA_ID: Final = re.compile(rf"{_PART}/{_PART}")


def site_of(camera_id: str) -> str:
    """The site part of `{site}/{device}`. Raises Invalid("bad-camera-id")."""
    if not _CAMERA_ID.fullmatch(camera_id):
        raise Invalid(
            "bad-camera-id",
            f"{camera_id[:100]!r} is not {{site}}/{{device}}, each [a-z0-9-]{{1,40}}",
        )
    return camera_id.split("/", 1)[0]


def slot_key(site_id: str, slot_id: str) -> bytes:
    """The key of a record in parking.slot-state."""
    return f"{site_id}/{slot_id}".encode()


# ---------------------------------------------------------------- MQTT
MQTT_ROOT: Final = "parking/v1"
MQTT_SUBSCRIPTIONS: Final = ("frame/#", "gate/+/+", "status", "telemetry")


def mqtt_filter(suffix: str, share_group: str = "") -> str:
    """What a bridge subscribes to: a suffix of device topics, or a whole topic of the broker's own
    (`$SYS/...`). Shared subscriptions get no retained messages, so a status, which is retained, is
    heard by every bridge."""
    if suffix.startswith("$"):
        return suffix
    topic = f"{MQTT_ROOT}/+/+/{suffix}"
    return f"$share/{share_group}/{topic}" if share_group and suffix != "status" else topic


Kind = Literal["frame", "gate", "status", "telemetry"]
_NUMBERS: Final[dict[Kind, tuple[int, ...]]] = {
    "frame": (0, 3),  # none, or boot, sequence number and time of capture
    "gate": (2,),  # boot and sequence number
    "status": (0,),
    "telemetry": (0,),
}
_MQTT: Final = re.compile(
    rf"{MQTT_ROOT}/({_PART})/({_PART})/({'|'.join(_NUMBERS)})((?:/\d{{1,16}}){{0,3}})", re.ASCII
)
HTTP_FRAMES: Final = "/ingest/v1/frames"
HTTP_LIVE: Final = "/ingest/v1/live"
PULLED: Final = "pull"  # pull/{site}/{device}: where a fetched picture is said to come from
_PICTURES: Final = re.compile(
    rf"(?:{MQTT_ROOT}/[^/]*/[^/]*/frame(?:/.*)?|(?:{HTTP_FRAMES}|{PULLED})/.*)", re.S
)
_SENDER: Final = re.compile(rf"{MQTT_ROOT}/(?P<device>{_PART}/{_PART})/")


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """A device's MQTT topic, taken apart."""

    site_id: str
    device_id: str  # {site}/{device}; a camera's camera_id
    kind: Kind
    boot_id: int | None = None
    seq: int | None = None
    captured_at_ms: int | None = None


def parse_mqtt_topic(topic: str) -> DeviceTopic:
    """Take a topic a device published apart. Raises Invalid("bad-topic")."""
    match = _MQTT.fullmatch(topic)
    if match is not None:
        site, device, tail = match[1], match[2], match[4]
        kind: Any = match[3]  # a Kind, as the pattern says
        numbers = [int(digits) for digits in tail.split("/")[1:]]
        if len(numbers) in _NUMBERS[kind]:
            return DeviceTopic(site, f"{site}/{device}", kind, *numbers)
    raise Invalid(
        "bad-topic", f"{topic[:200]!r} is no topic of {MQTT_ROOT}/{{site}}/{{device}}/..."
    )


def sender_of(topic: str) -> str | None:
    """The `{site}/{device}` a topic begins with, whatever follows; None if it begins otherwise."""
    match = _SENDER.match(topic)
    return match["device"] if match else None


def holds_pictures(place: str) -> bool:
    """Whether what comes by this Kafka topic, MQTT topic (be it malformed behind `frame`), HTTP
    path or from this pulled camera is a picture."""
    own = place == FRAMES or place.endswith(f".{FRAMES}")  # a replay's too
    return own or _PICTURES.fullmatch(place) is not None


def holds_plates(place: str) -> bool:
    """Whether this Kafka topic, live or of a replay, is the one for plates."""
    return place == PLATES or place.endswith(f".{PLATES}")


def mqtt_topic(device_id: str, *suffix: str | int) -> str:
    """`parking/v1/{site}/{device}/...`, for example `mqtt_topic("demo/north", "ack")`."""
    return "/".join((MQTT_ROOT, device_id, *map(str, suffix)))


# ---------------------------------------------------------------- S3
def evidence_key(camera_id: str, frame_id: str, time_ms: int) -> str:
    """Object key of a frame kept as evidence: by camera and UTC day; retention is a prefix."""
    day = time_ms // _DAY_MS
    return f"evidence/{camera_id}/{day}/{frame_id.replace('/', '_')}.jpg"
