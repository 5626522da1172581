"""ingest: frames, gate events and device reports from the edge onto Kafka.

In: MQTT `parking/v1/{site}/{device}/...` (see parking/topics.py) in two persistent sessions, frames
and events; HTTP `POST /ingest/v1/frames/{site}/{camera}` with the camera's own API key; and the
cameras of CAMERAS_FILE (RTSP, MJPEG, HTTP snapshots), which are asked.
Out: parking.frames, parking.gate-events, parking.plates, parking.device-events,
parking.dead-letters and parking.dead-letters.frames; to devices the end-to-end `ack` of gate
events.

A message is acknowledged only once Kafka has it (acks=all). What is invalid becomes a dead letter
with a reason, and an invalid gate event is acked `rejected`. While Kafka is away: frames give way
to newer ones, events wait up to a bound and then nothing more is read from the broker; HTTP answers
503. While the broker is away: reconnects with jitter, for ever; so with each fetched camera, which
is told offline meanwhile. What ends the process: nothing from
outside; its supervisor starts it again after a fault of its own, and the broker repeats what was
not acknowledged.

Settings (environment):
"""

import argparse
import asyncio
import logging
from collections.abc import Mapping, Sequence

from parking import ops
from parking.keys import KeyFile
from parking.ops import Health, SystemClock
from parking.topics import (
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
    MQTT_SUBSCRIPTIONS,
    PLATES,
)
from services.ingest.adapters import SteadyProducer
from services.ingest.bridge import BROKER_TELLS, Lane
from services.ingest.camerafiles import DiskFiles
from services.ingest.decoder import Decoder
from services.ingest.handover import Room
from services.ingest.http import Intake, new_app
from services.ingest.mqtt import MqttLink
from services.ingest.pulled import handle_pulled
from services.ingest.puller import Puller
from services.ingest.replay import Known
from services.ingest.settings import PullSettings, Settings
from services.ingest.sources import sources

log = logging.getLogger(__name__)

TOPICS = (FRAMES, GATE_EVENTS, PLATES, DEVICE_EVENTS, DEAD_LETTERS, DEAD_LETTERS_FRAMES)
LANES: Mapping[str, Sequence[str]] = {
    "frames": [suffix for suffix in MQTT_SUBSCRIPTIONS if suffix.startswith("frame")],
    "events": [
        *(suffix for suffix in MQTT_SUBSCRIPTIONS if not suffix.startswith("frame")),
        *BROKER_TELLS,
    ],
}
# Longer than aiokafka's own patience (40 s), so that a short outage is waited out in one piece.
_LANE_LIMIT_S = 60.0
_HTTP_LIMIT_S = 5.0


async def build(environ: Mapping[str, str]) -> None:
    """Wire everything and run until told to stop."""
    settings = Settings.from_env(environ)
    health, clock, known = Health(), SystemClock(), Known()
    keys = KeyFile(settings.keys_file)
    for name in keys.without_camera():
        log.warning("the key %r sends no pictures any more: it names no camera", name)
    producers = []

    def new_producer(limit_s: float) -> SteadyProducer:
        # One each: an outage of one topic must not restart what works.
        producer = SteadyProducer(settings.kafka, TOPICS, limit_s)
        producers.append(producer)
        return producer

    lanes = {
        name: Lane(
            name,
            MqttLink(settings.mqtt, name, filters, health, clock),
            Room(settings.handover_frames, settings.handover_events),
            new_producer(_LANE_LIMIT_S),
            settings.limits,
            health=health,
            clock=clock,
            known=known,
            plates=settings.plates,
        )
        for name, filters in LANES.items()
    }
    decoder = Decoder(settings.limits)
    puller = None
    if settings.pull is not None:
        puller = _puller(settings, settings.pull, decoder)
        lanes["pull"] = Lane(
            "pull",
            puller,
            Room(settings.handover_frames, settings.handover_events),
            new_producer(_LANE_LIMIT_S),
            settings.limits,
            health=health,
            clock=clock,
            decide=handle_pulled,
        )
    intake = Intake(
        keys,
        new_producer(_HTTP_LIMIT_S),
        settings.limits,
        clock,
        puller.screen if puller else None,
        known,
    )
    http = ops.http_loop(new_app(intake, health), settings.http)
    try:
        await ops.serve({"http": http} | {name: lane.run for name, lane in lanes.items()})
    finally:
        await asyncio.gather(decoder.close(), *(producer.close() for producer in producers))


def _puller(settings: Settings, pull: PullSettings, decoder: Decoder) -> Puller:
    """The cameras that are asked. Raises SettingsError when the file is wrong."""
    DiskFiles(pull.cameras_file, pull.credentials_file).read()
    files = DiskFiles(pull.cameras_file, pull.credentials_file)
    new_source = sources(pull.networks, settings.limits, pull.limit_s, decoder)
    return Puller(files, new_source, settings.limits, SystemClock())


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.ingest",
        description=f"{__doc__}{Settings.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    ops.main("ingest", build)
