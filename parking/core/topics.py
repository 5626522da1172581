"""Every Kafka topic, MQTT topic and object key of the system. Names are defined only here.

`deploy/kafka/` and the embedded stack create the Kafka topics from `TOPICS`. Keys are raw UTF-8 and
every producer uses murmur2 (the default of aiokafka, faust and Java), so one site's records have
the same partition number in every site-keyed topic.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from parking.core.errors import Invalid

# Raising a partition count later moves keys and breaks checkpoints and compaction. That is a
# migration, so the counts are larger than a first lot needs.
SITE_PARTITIONS: Final = 12
FRAME_PARTITIONS: Final = 12

FRAME_MAX_BYTES: Final = 1_000_000
ENVELOPE_BYTES: Final = 65_536
# The request size of a client for one partition: small records share a request, so every topic must
# accept this much. It suits frames of 80 kB. With aiokafka's default of 16 kB, each frame would be
# a separate request.
BATCH_BYTES: Final = 1_048_576
# A site's whole state in a checkpoint of the tracker.
SITE_MAX_BYTES: Final = 16_000_000

LIVE: Final = "live"

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS

# Kafka never compacts a partition's last segment, which by default grows for a week or to 1 GiB,
# and compacts the others only once half of their content is new. A reader of a small topic would
# get a week of records. A segment must hold the largest possible record, SITE_MAX_BYTES.
_SEGMENT_MS: Final = 600_000
_SEGMENT_BYTES: Final = 16_777_216
# Kafka deletes only whole segments, and never the last one. With its default of 1 GiB, a topic
# limited to 500 MB would take three times as much.
_SEGMENTS: Final = 8
_DELETED_SEGMENT_BYTES: Final = 67_108_864
_MB: Final = 1_000_000
# A compacted log has one record per key, so compacting it again after it grew by a tenth is cheap.
_DIRTY_SHARE: Final = "0.1"
# How long superseded records stay readable: as long as the detections they belong to.
_HISTORY_MS: Final = 7 * _DAY_MS


def record_max_bytes(frame_max_bytes: int) -> int:
    """The largest record or batch of records that a client sends and a topic accepts, in bytes."""
    return max(BATCH_BYTES, frame_max_bytes) + ENVELOPE_BYTES


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic: its key, partitions, retention time and bytes per partition (plus one
    segment). A compacted topic holds one record per key."""

    name: str
    key: str
    partitions: int
    retention_ms: int | None = None
    retention_bytes: int | None = None
    compacted: bool = False
    extra: dict[str, str] = field(default_factory=dict)

    def config(self, frame_max_bytes: int = FRAME_MAX_BYTES, run: str = LIVE) -> dict[str, str]:
        """Kafka's topic configuration, with values as strings (bytes, ms). The complete output of a
        replay is read at the end, so it is not compacted before then."""
        config = {"message.timestamp.type": "LogAppendTime"}
        config["cleanup.policy"] = "compact" if self.compacted else "delete"
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
            # Kafka deletes whole segments, which by default grow for a week.
            config["segment.ms"] = str(max(_HOUR_MS, self.retention_ms // _SEGMENTS))
        if self.retention_bytes is not None:
            config["retention.bytes"] = str(self.retention_bytes)
        config["max.message.bytes"] = str(record_max_bytes(frame_max_bytes))
        config |= self.extra
        if not self.compacted:
            config["segment.bytes"] = str(_DELETED_SEGMENT_BYTES)
        else:
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
LOOKS: Final = "parking.looks"
CAMERAS: Final = "parking.cameras"
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
        # A day of pictures is enough for evidence and replays. The byte limit is per partition.
        Topic(FRAMES, "camera_id", FRAME_PARTITIONS, _DAY_MS, 2_000_000_000),
        Topic(GATE_EVENTS, "site_id", SITE_PARTITIONS, 30 * _DAY_MS, 500 * _MB),
        Topic(DEVICE_EVENTS, "site_id", SITE_PARTITIONS, 7 * _DAY_MS, 500 * _MB),
        # One partition each, read whole at the start: by the detector the layouts and the looks, by
        # ingest the cameras with their encrypted logins. A replay uses the layouts of its time.
        Topic(
            LAYOUTS,
            "camera_id",
            1,
            compacted=True,
            extra={"min.compaction.lag.ms": str(_HISTORY_MS)},
        ),
        Topic(LOOKS, "camera_id", 1, compacted=True),
        Topic(CAMERAS, "camera_id", 1, compacted=True),
        Topic(SITE_COMMANDS, "site_id", SITE_PARTITIONS, 30 * _DAY_MS, 500 * _MB),
        Topic(DETECTIONS, "site_id", SITE_PARTITIONS, _HISTORY_MS, 4_000 * _MB),
        Topic(SLOT_CHANGES, "site_id", SITE_PARTITIONS, 30 * _DAY_MS, 1_000 * _MB),
        Topic(SLOT_STATE, "site_id/slot_id", SITE_PARTITIONS, compacted=True),
        Topic(CAMERA_STATUS, "camera_id", SITE_PARTITIONS, compacted=True),
        Topic(SESSIONS, "site_id", SITE_PARTITIONS, 30 * _DAY_MS, 500 * _MB),
        # Kept briefly, because these records are only in transit to the database.
        Topic(
            PLATES,
            "site_id",
            SITE_PARTITIONS,
            _DAY_MS,
            100 * _MB,
            extra={"segment.ms": str(_HOUR_MS)},
        ),
        # Ingest limits each device to its share (services/ingest/shares.py).
        Topic(DEAD_LETTERS, "original key", 1, 30 * _DAY_MS, 500 * _MB),
        Topic(DEAD_LETTERS_FRAMES, "camera_id", 1, _DAY_MS, 1_000_000_000),
        # Records which dead letters were sent again (parking/wire/deadletters.py). Kept longer than
        # any dead letter.
        Topic(DEAD_LETTERS_MARKS, "the original", 1, 60 * _DAY_MS, 500 * _MB),
        Topic(
            TRACKER_CHECKPOINTS,
            "site_id",
            SITE_PARTITIONS,
            compacted=True,
            extra={"max.message.bytes": str(SITE_MAX_BYTES + ENVELOPE_BYTES)},
        ),
        # The order in which the tracker read the records of its topics. Kept as long as detections.
        Topic(TRACKER_BATCHES, "none", SITE_PARTITIONS, _HISTORY_MS, 500 * _MB),
        # Kept longer than its inputs, because what has expired there cannot be computed again.
        Topic(OCCUPANCY, "site_id", SITE_PARTITIONS, 90 * _DAY_MS, 500 * _MB),
        # A site's time, from all inputs. Only the latest counts; the next follows within a minute.
        Topic(ANALYTICS_CLOCK, "site_id", SITE_PARTITIONS, _DAY_MS, 100 * _MB),
        Topic(ANALYTICS_CHANGELOG, "site_id, or site_id/slot_id", SITE_PARTITIONS, compacted=True),
    )
}

# ---------------------------------------------------------------- runs
_RUN: Final = re.compile(r"[a-z0-9-]{1,40}")


def of_run(name: str, run: str) -> str:
    """Return the name of a topic, consumer group or application in a run. The run `live` uses the
    names as they are, and a replay uses its own (`replay.{run}.{name}`), so the two never mix.
    Raises Invalid("bad-run")."""
    if run == LIVE:
        return name
    if not _RUN.fullmatch(run):
        raise Invalid("bad-run", f"{run[:100]!r} is not a valid run name: use [a-z0-9-]{{1,40}}")
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
    """A bridge's subscription to a suffix of device topics, or to one of the broker's own topics
    (`$SYS/...`). Shared subscriptions get no retained messages, so statuses, which are retained,
    are not shared and reach every bridge."""
    if suffix.startswith("$"):
        return suffix
    topic = f"{MQTT_ROOT}/+/+/{suffix}"
    return f"$share/{share_group}/{topic}" if share_group and suffix != "status" else topic


Kind = Literal["frame", "gate", "status", "telemetry"]
_NUMBERS: Final[dict[Kind, tuple[int, ...]]] = {
    "frame": (0, 3),  # nothing, or boot, sequence number and capture time
    "gate": (2,),  # boot and sequence number
    "status": (0,),
    "telemetry": (0,),
}
_MQTT: Final = re.compile(
    rf"{MQTT_ROOT}/({_PART})/({_PART})/({'|'.join(_NUMBERS)})((?:/\d{{1,16}}){{0,3}})", re.ASCII
)
HTTP_FRAMES: Final = "/ingest/v1/frames"
HTTP_LIVE: Final = "/ingest/v1/live"
HTTP_CAMERAS: Final = "/ingest/v1/cameras"
PULLED: Final = "pull"  # pull/{site}/{device}: the source of a polled picture
_PICTURES: Final = re.compile(
    rf"(?:{MQTT_ROOT}/[^/]*/[^/]*/frame(?:/.*)?|(?:{HTTP_FRAMES}|{PULLED})/.*)", re.S
)
_SENDER: Final = re.compile(rf"(?:{MQTT_ROOT}/({_PART}/{_PART})/|{PULLED}/({_PART}/{_PART})\Z)")


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """A device's MQTT topic, parsed."""

    site_id: str
    device_id: str  # {site}/{device}; a camera's camera_id
    kind: Kind
    boot_id: int | None = None
    seq: int | None = None
    captured_at_ms: int | None = None


def parse_mqtt_topic(topic: str) -> DeviceTopic:
    """Parse a topic that a device published to. Raises Invalid("bad-topic")."""
    match = _MQTT.fullmatch(topic)
    if match is not None:
        site, device, tail = match[1], match[2], match[4]
        kind: Any = match[3]  # a Kind, as the pattern says
        numbers = [int(digits) for digits in tail.split("/")[1:]]
        if len(numbers) in _NUMBERS[kind]:
            return DeviceTopic(site, f"{site}/{device}", kind, *numbers)
    raise Invalid(
        "bad-topic", f"{topic[:200]!r} is not a topic of {MQTT_ROOT}/{{site}}/{{device}}/..."
    )


def sender_of(topic: str) -> str | None:
    """The `{site}/{device}` at the start of an MQTT topic, whatever follows, or that of a polled
    camera; None if there is none."""
    match = _SENDER.match(topic)
    return match[1] or match[2] if match else None


def holds_pictures(place: str) -> bool:
    """Whether records from this place are pictures. A place is a Kafka topic, an MQTT topic (even
    if malformed after `frame`), an HTTP path or a polled camera."""
    own = place == FRAMES or place.endswith(f".{FRAMES}")  # a replay's too
    return own or _PICTURES.fullmatch(place) is not None


def holds_plates(place: str) -> bool:
    """Whether this Kafka topic is the one for plates, live or in a replay."""
    return place == PLATES or place.endswith(f".{PLATES}")


def mqtt_topic(device_id: str, *suffix: str | int) -> str:
    """`parking/v1/{site}/{device}/...`, for example `mqtt_topic("demo/north", "ack")`."""
    return "/".join((MQTT_ROOT, device_id, *map(str, suffix)))


# ---------------------------------------------------------------- S3
def evidence_key(camera_id: str, frame_id: str, time_ms: int) -> str:
    """Object key of a frame kept as evidence. It begins with the camera and UTC day, so retention
    can select by prefix."""
    day = time_ms // _DAY_MS
    return f"evidence/{camera_id}/{day}/{frame_id.replace('/', '_')}.jpg"
