"""Every metric of the system, defined once. Names follow Prometheus' rules and contain units."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30)

# ingest
MQTT_MESSAGES: Final = Counter("parking_mqtt_messages_total", "Messages from the broker", ["kind"])
MQTT_CONNECTED: Final = Gauge("parking_mqtt_connected", "1 while connected to the broker", ["lane"])
MQTT_CONNECTIONS: Final = Counter("parking_mqtt_connections_total", "Connections made", ["session"])
FRAMES_ACCEPTED: Final = Counter(
    "parking_frames_accepted_total", "Frames durable in Kafka", ["via"]
)
FRAMES_DROPPED: Final = Counter(
    "parking_frames_dropped_total", "Frames dropped in favour of a newer one", ["where"]
)
FRAMES_REPEATED: Final = Counter("parking_frames_repeated_total", "Repeated pictures", ["via"])
GATE_EVENTS: Final = Counter("parking_gate_events_total", "Gate events by result", ["result"])
SHARE_EXCEEDED: Final = Counter(
    "parking_share_exceeded_messages_total",
    "Messages and polled pictures refused above the share (device, site) of events, frames, bytes,"
    " or dead letters",
    ["of", "what"],
)
REPLAYS: Final = Counter(
    "parking_replays_total", "Messages with a sequence number that the device used before", ["kind"]
)
REFUSED_REQUESTS: Final = Counter(
    "parking_refused_requests_total", "HTTP requests refused because of their API key", ["reason"]
)
BROKER_DROPPED: Final = Gauge(
    "parking_broker_dropped_messages",
    "Messages dropped by the MQTT broker, as it reports",
    ["kind"],
)
BROKER_REFUSED: Final = Gauge(
    "parking_broker_refusals",
    "Logins, publishes and subscriptions refused by the MQTT broker, as it reports",
    ["kind"],
)
MQTT_UNACKED: Final = Gauge(
    "parking_mqtt_unacked_messages", "Messages received but not yet acknowledged", ["lane"]
)
STALE_ACKS: Final = Counter(
    "parking_stale_acks_total", "Acks not sent because their connection had ended"
)
REPLIES_DROPPED: Final = Counter(
    "parking_replies_dropped_total",
    "Acks that did not reach the device, which will send again",
    ["reason"],
)
HANDOVER_SIZE: Final = Gauge(
    "parking_handover_messages", "Messages between MQTT and Kafka", ["kind"]
)
# Labelled by camera. The cameras file limits their number, and a camera removed from it is dropped.
PULL_UP: Final = Gauge("parking_pull_up", "1 while a polled camera delivers pictures", ["camera"])
PULL_FAILURES: Final = Counter(
    "parking_pull_failures_total", "Pictures that a camera failed to deliver", ["camera", "reason"]
)
PULL_SECONDS: Final = Histogram(
    "parking_pull_seconds", "Time from the request to the picture", ["via"], buckets=_SECONDS
)
PULL_FILE_FAULTS: Final = Gauge(
    "parking_pull_file_faults",
    "Faults in the cameras file; while there are any, the last valid file stays in force",
)

# all
DEAD_LETTERS: Final = Counter(
    "parking_dead_letters_total", "Messages set aside", ["service", "reason"]
)

# `kind` is the topic for a record that is not newer than the known one, `newer` for a record of a
# newer version than the reader's with an unknown type or value, and `invalid` for an unreadable
# one.
RECORDS_IGNORED: Final = Counter(
    "parking_records_ignored_total", "Records skipped without being dead-lettered", ["kind"]
)

# all services
STILL_SECONDS: Final = Gauge(
    "parking_still_seconds",
    "Seconds without an answer (kafka), progress (a stage), a heartbeat, or a write of the"
    " persister (postgres, postgres-full, s3, unavailable); else 0",
    ["what"],
)
HEARTBEAT_SECONDS: Final = Gauge(
    "parking_heartbeat_seconds",
    "From ingest to this service by this topic, of the last heartbeat",
    ["topic"],
)

# every HTTP server
HTTP_DROPPED: Final = Counter(
    "parking_http_dropped_total", "Connections dropped: too many, or too slow", ["reason"]
)

# detector
FRAMES_ANALYSED: Final = Counter("parking_frames_analysed_total", "Frames analysed", ["health"])
FRAMES_SKIPPED: Final = Counter(
    "parking_frames_skipped_total", "Frames skipped in favour of a newer one"
)
FRAMES_REUSED: Final = Counter(
    "parking_frames_reused_total", "Unchanged frames that reused an earlier frame's result"
)
SLOTS_JUDGED: Final = Counter(
    "parking_slots_judged_total", "Slots judged: changed, unsettled, or due for a refresh"
)
SLOTS_DEFERRED: Final = Counter(
    "parking_slots_deferred_total", "Changed slots left to a later frame because time ran out"
)
CLOSER_LOOKS: Final = Counter(
    "parking_closer_looks_total", "Second searches of slots in doubt, at a larger scale"
)
LOAD_LEVEL: Final = Gauge(
    "parking_load_level",
    "What a busy detector leaves out: 0 nothing, 1 closer looks, 2 also refreshes of"
    " unchanged slots, 3 also input size, 4 also pace",
)
STAGE_SECONDS: Final = Histogram(
    "parking_stage_seconds", "Time in a stage", ["stage"], buckets=_SECONDS
)

# tracker
SLOT_CHANGES: Final = Counter("parking_slot_changes_total", "Slot changes", ["to_state"])

BOOT_RESTARTS: Final = Counter(
    "parking_boot_restarts_total", "Devices whose boot counter restarted: flashed again, or reset"
)

# analytics
MINUTES_PUBLISHED: Final = Counter(
    "parking_minutes_published_total", "Records of parking.occupancy, including repeats"
)

# persister
ROWS_WRITTEN: Final = Counter("parking_rows_written_total", "Rows written", ["table"])
FENCED_WRITES: Final = Counter(
    "parking_fenced_writes_total",
    "Batches dropped because another generation owns their partitions",
)
EVIDENCE: Final = Counter("parking_evidence_total", "Evidence of changes", ["result"])
RETENTION_REMOVED: Final = Counter("parking_retention_removed_total", "Removed by age", ["what"])

# notifier
SSE_CLIENTS: Final = Gauge("parking_sse_clients", "Open event streams")
SSE_EVENTS: Final = Counter("parking_sse_events_total", "Events sent to clients", ["event"])
SSE_CLOSED: Final = Counter("parking_sse_closed_total", "Streams closed by the server", ["reason"])
END_TO_END_SECONDS: Final = Histogram(
    "parking_end_to_end_seconds",
    "From a frame's time_ms to its change at the gateway",
    buckets=_SECONDS,
)


@contextmanager
def timed(stage: str, timings_ms: dict[str, float]) -> Iterator[None]:
    """Add the time spent in a stage (ms) to the stage's total."""
    start_s = time.perf_counter()
    yield
    spent_s = time.perf_counter() - start_s
    STAGE_SECONDS.labels(stage).observe(spent_s)
    timings_ms[stage] = round(timings_ms.get(stage, 0.0) + spent_s * 1000, 2)
