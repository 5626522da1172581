"""Every metric of the system, once. Names follow Prometheus' rules; units are in the names."""

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
    "parking_frames_dropped_total", "Frames dropped for a newer one", ["where"]
)
FRAMES_REPEATED: Final = Counter("parking_frames_repeated_total", "The same picture again", ["via"])
GATE_EVENTS: Final = Counter("parking_gate_events_total", "Gate events by result", ["result"])
REPLAYS: Final = Counter(
    "parking_replays_total", "Messages with a number that the device had used before", ["kind"]
)
REFUSED_REQUESTS: Final = Counter(
    "parking_refused_requests_total", "HTTP requests whose key did not open the door", ["reason"]
)
BROKER_DROPPED: Final = Gauge(
    "parking_broker_dropped_messages",
    "Messages that the MQTT broker dropped, as it tells",
    ["kind"],
)
BROKER_REFUSED: Final = Gauge(
    "parking_broker_refusals", "Logins, publishes and subscriptions refused, as it tells", ["kind"]
)
MQTT_UNACKED: Final = Gauge(
    "parking_mqtt_unacked_messages", "Received and not acknowledged yet", ["lane"]
)
STALE_ACKS: Final = Counter("parking_stale_acks_total", "Acks not sent: their connection had ended")
REPLIES_DROPPED: Final = Counter(
    "parking_replies_dropped_total", "Answers that no device got: it will ask again", ["reason"]
)
HANDOVER_SIZE: Final = Gauge(
    "parking_handover_messages", "Messages between MQTT and Kafka", ["kind"]
)
# By camera: their number is bounded by the cameras file, and a camera that left it is forgotten.
PULL_UP: Final = Gauge("parking_pull_up", "1 while a pulled camera gives pictures", ["camera"])
PULL_FAILURES: Final = Counter(
    "parking_pull_failures_total", "Pictures that a camera did not give", ["camera", "reason"]
)
PULL_SECONDS: Final = Histogram(
    "parking_pull_seconds", "From the question to the picture", ["via"], buckets=_SECONDS
)
PULL_FILE_FAULTS: Final = Gauge(
    "parking_pull_file_faults", "Faults of the cameras file as it is now; the last good one counts"
)

# all
DEAD_LETTERS: Final = Counter(
    "parking_dead_letters_total", "Messages set aside", ["service", "reason"]
)

# `kind`: the topic, for a record that is not newer than what is held; `newer`: of a newer version
# than the reader's, with a type or value that it cannot act on; `invalid`: unreadable.
RECORDS_IGNORED: Final = Counter(
    "parking_records_ignored_total", "Records passed over, no dead letter", ["kind"]
)

# detector
FRAMES_ANALYSED: Final = Counter("parking_frames_analysed_total", "Frames analysed", ["health"])
FRAMES_SKIPPED: Final = Counter(
    "parking_frames_skipped_total", "Frames passed over for a newer one"
)
FRAMES_REUSED: Final = Counter(
    "parking_frames_reused_total", "Frames told by an earlier one's result: nothing had changed"
)
SLOTS_JUDGED: Final = Counter(
    "parking_slots_judged_total", "Slots judged: changed, not settled, or due for a refresh"
)
SLOTS_DEFERRED: Final = Counter(
    "parking_slots_deferred_total", "Changed slots left to a later frame, for want of time"
)
CLOSER_LOOKS: Final = Counter(
    "parking_closer_looks_total", "Searches of slots in doubt once more, larger"
)
LOAD_LEVEL: Final = Gauge(
    "parking_load_level",
    "What is left out because the computer is busy: 0 nothing, 1 closer looks, 2 also refreshes of"
    " unchanged slots, 3 also input size, 4 also pace",
)
STAGE_SECONDS: Final = Histogram(
    "parking_stage_seconds", "Time in a stage", ["stage"], buckets=_SECONDS
)

# tracker
SLOT_CHANGES: Final = Counter("parking_slot_changes_total", "Slot changes", ["to_state"])

BOOT_RESTARTS: Final = Counter(
    "parking_boot_restarts_total", "Devices whose boot counter began anew: flashed again, or reset"
)

# analytics
MINUTES_PUBLISHED: Final = Counter(
    "parking_minutes_published_total", "Records of parking.occupancy, those told again among them"
)

# persister
ROWS_WRITTEN: Final = Counter("parking_rows_written_total", "Rows written", ["table"])
FENCED_WRITES: Final = Counter(
    "parking_fenced_writes_total", "Batches dropped: another generation holds their partitions"
)
EVIDENCE: Final = Counter("parking_evidence_total", "Evidence of changes", ["result"])
RETENTION_REMOVED: Final = Counter("parking_retention_removed_total", "Removed by age", ["what"])

# notifier
SSE_CLIENTS: Final = Gauge("parking_sse_clients", "Open event streams")
SSE_EVENTS: Final = Counter("parking_sse_events_total", "Events sent to clients", ["event"])
SSE_CLOSED: Final = Counter("parking_sse_closed_total", "Streams closed by us", ["reason"])
END_TO_END_SECONDS: Final = Histogram(
    "parking_end_to_end_seconds",
    "From a frame's time_ms to its change at the gateway",
    buckets=_SECONDS,
)


@contextmanager
def timed(stage: str, timings_ms: dict[str, float]) -> Iterator[None]:
    """Note the time spent in a stage (ms), added to what the stage took before."""
    start_s = time.perf_counter()
    yield
    spent_s = time.perf_counter() - start_s
    STAGE_SECONDS.labels(stage).observe(spent_s)
    timings_ms[stage] = round(timings_ms.get(stage, 0.0) + spent_s * 1000, 2)
