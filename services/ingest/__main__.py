"""ingest: frames, gate events and device reports from the edge to Kafka.

In: MQTT `parking/v1/{site}/{device}/...` (see parking/core/topics.py) in two persistent sessions,
frames and events; HTTP `POST /ingest/v1/frames/{site}/{camera}` with the camera's own API key; and
the polled cameras (RTSP, MJPEG, HTTP snapshots) of CAMERAS_FILE and parking.cameras, which ingest
writes when somebody adds one on the web page. Out: parking.frames (also a heartbeat every few
seconds), parking.gate-events, parking.plates, parking.device-events, parking.dead-letters and
parking.dead-letters.frames; and, to devices, the end-to-end `ack` of gate events.

A message is acknowledged only once Kafka has it (acks=all). An invalid message is dead-lettered
with a reason, and an invalid gate event is acked `rejected`. A message that exceeds the rate share
of its device or site is not written and is acked `rejected` with the reason `rate`. While Kafka is
down, newer frames replace older ones; events wait up to a limit, and then nothing more is read from
the broker; HTTP answers 503. While the broker is down, ingest keeps trying to reconnect, with
jitter. It does the same for each polled camera, which it reports as offline meanwhile. External
failures never end the process. After an internal fault the supervisor restarts it, and the broker
redelivers whatever was not acknowledged.

Settings (environment):
"""

import argparse
import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial

from parking.access.keys import KeyFile
from parking.access.visitors import visitors
from parking.core.topics import (
    CAMERAS,
    DEAD_LETTERS,
    DEAD_LETTERS_FRAMES,
    DEVICE_EVENTS,
    FRAMES,
    GATE_EVENTS,
    MQTT_SUBSCRIPTIONS,
    PLATES,
)
from parking.runtime import ops
from parking.runtime.heartbeats import Heartbeats
from parking.runtime.ops import Health, Loop, SystemClock
from parking.runtime.pulse import kafka_pulse
from parking.runtime.rates import Rates
from services.ingest.adapters import SteadyProducer
from services.ingest.bridge import BROKER_TELLS, Lane
from services.ingest.handover import Room
from services.ingest.heartbeats import HeartbeatWriter
from services.ingest.http import Intake, new_app
from services.ingest.mqtt import MqttLink
from services.ingest.pull.camera_log import follow_cameras
from services.ingest.pull.camerafiles import DiskFiles
from services.ingest.pull.finding import Finder
from services.ingest.pull.pulled import handle_pulled
from services.ingest.pull.puller import Puller
from services.ingest.pull.setup import Setup, setup_routes
from services.ingest.pull.sources import sources
from services.ingest.pull.stored import AllCameras, StoredCameras
from services.ingest.pull.streams import Streams
from services.ingest.replay import Known
from services.ingest.settings import PullSettings, Settings
from services.ingest.shares import Shares, ShareSettings

log = logging.getLogger(__name__)

TOPICS = (FRAMES, GATE_EVENTS, PLATES, DEVICE_EVENTS, DEAD_LETTERS, DEAD_LETTERS_FRAMES)
LANES: Mapping[str, Sequence[str]] = {
    "frames": [suffix for suffix in MQTT_SUBSCRIPTIONS if suffix.startswith("frame")],
    "events": [
        *(suffix for suffix in MQTT_SUBSCRIPTIONS if not suffix.startswith("frame")),
        *BROKER_TELLS,
    ],
}
# Longer than aiokafka's own timeout (40 s), so that one wait covers a short outage.
_LANE_LIMIT_S = 60.0
_HTTP_LIMIT_S = 5.0
_HEARTBEAT_LIMIT_S = 5.0


async def build(environ: Mapping[str, str]) -> None:
    """Wire everything up and run until stopped."""
    settings = Settings.from_env(environ)
    health, clock, known = Health(), SystemClock(), Known()
    shares = Shares(settings.shares)
    keys = KeyFile(settings.keys_file)
    for name in keys.without_camera():
        log.warning("the key %r can no longer send pictures: its name is not a camera", name)
    producers = []

    def new_producer(limit_s: float, topics: Sequence[str] = TOPICS) -> SteadyProducer:
        # One task per lane, because an outage of one topic must not restart the others.
        producer = SteadyProducer(settings.kafka, topics, limit_s)
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
            shares=shares,
        )
        for name, filters in LANES.items()
    }
    streams, trial_streams = Streams(settings.limits), Streams(settings.limits)
    polling = None
    if settings.pull is not None:
        polling = Polling(settings, settings.pull, streams, known)
        lanes["pull"] = Lane(
            "pull",
            polling.puller,
            Room(settings.handover_frames, settings.handover_events),
            new_producer(_LANE_LIMIT_S),
            settings.limits,
            health=health,
            clock=clock,
            decide=handle_pulled,
            known=known,
            shares=shares,
        )
    setup = None
    if polling is not None and polling.stored is not None:
        setup = polling.setup(new_producer(_HTTP_LIMIT_S, (CAMERAS,)), trial_streams)
    intake = Intake(
        keys,
        new_producer(_HTTP_LIMIT_S),
        settings.limits,
        clock,
        polling.puller.screen if polling else None,
        known,
        partial(setup_routes, setup=setup),
    )
    http = ops.http_loop(
        Rates(new_app(intake, health), visitors(keys), settings.http.rates), settings.http
    )
    try:
        pulse = kafka_pulse(settings.kafka, health)
        heartbeats = Heartbeats(health, clock)
        partitions, producer = settings.heartbeat_partitions, new_producer(_HEARTBEAT_LIMIT_S)
        writer = HeartbeatWriter(partitions, producer, heartbeats, clock)
        loops: dict[str, Loop] = {name: lane.run for name, lane in lanes.items()}
        loops |= {"heartbeat-writer": writer.loop, "heartbeats": heartbeats.loop}
        if setup is not None:
            loops["cameras"] = partial(
                follow_cameras,
                kafka=settings.kafka,
                stored=setup.stored,
                clock=clock,
                health=health,
            )
        await ops.serve({"http": http, "pulse": pulse} | loops)
    finally:
        await asyncio.gather(
            streams.close(), trial_streams.close(), *(producer.close() for producer in producers)
        )


class Polling:
    """The polled cameras and the orientation of every camera. Raises SettingsError when the file is
    invalid."""

    def __init__(
        self, settings: Settings, pull: PullSettings, streams: Streams, known: Known
    ) -> None:
        files = None
        if pull.cameras_file is not None:
            DiskFiles(pull.cameras_file, pull.credentials_file).read()
            files = DiskFiles(pull.cameras_file, pull.credentials_file)
        self.stored = StoredCameras(pull.login_key) if pull.login_key else None
        self._cameras = AllCameras(files, self.stored)
        self._limits = settings.limits
        self._new_source = partial(sources, pull.networks, settings.limits, pull.limit_s)
        self._finder = Finder(pull.networks, pull.limit_s)
        source = self._new_source(streams)
        self.puller = Puller(self._cameras, source, settings.limits, SystemClock(), known.turns)

    def setup(self, producer: SteadyProducer, trial_streams: Streams) -> Setup:
        """Build what the routes need with which the page adds cameras; needs `stored`.
        `trial_streams` are separate video readers for trying out a camera, so that a bad camera
        disturbs no other."""
        assert self.stored is not None  # noqa: S101 -- the caller has checked
        return Setup(
            self.stored,
            self._cameras,
            self.puller,
            producer,
            self._new_source(trial_streams),
            self._finder,
            self._limits,
            SystemClock(),
        )


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.ingest",
        description=f"{__doc__}{Settings.__doc__}\n\n    {ShareSettings.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    ops.main("ingest", build)
