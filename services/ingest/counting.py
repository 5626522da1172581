"""Count the outcomes of messages as metrics, for MQTT, HTTP and polled cameras alike."""

from parking.runtime import metrics
from services.ingest.frames import SOURCE
from services.ingest.messages import Handled


def count(handled: Handled) -> None:
    """Count a message once, when its outgoing records are durable."""
    if handled.outcome == "frame":
        metrics.FRAMES_ACCEPTED.labels(handled.via).inc()
    elif handled.outcome == "repeated":
        metrics.FRAMES_REPEATED.labels(handled.via).inc()
    elif handled.outcome == "replayed":
        metrics.REPLAYS.labels("frame").inc()
    elif handled.outcome == "refused":
        metrics.DEAD_LETTERS.labels(SOURCE, handled.reason).inc()
    elif handled.outcome == "gate":
        metrics.GATE_EVENTS.labels("accepted").inc()
    if handled.outcome == "refused" and handled.reply and handled.reply.of == "gate":
        metrics.GATE_EVENTS.labels("rejected").inc()
