"""Call the pipeline's functions in sequence in one process, to measure a frame's cost without
brokers, sockets and other processes."""

import time
from collections.abc import Sequence

from parking.core import lots
from parking.core.errors import Invalid
from parking.core.events import (
    DetectionMade,
    FrameReceived,
    FrameRef,
    LayoutPublished,
    ParametersSet,
    SiteCommanded,
)
from parking.core.occupancy import step
from parking.core.site import Site
from parking.core.topics import DETECTIONS, mqtt_topic
from parking.vision.imagehealth import Look
from parking.wire import codec
from parking.wire.ports import Record
from services.detector.analysis import Analyser, Job, Options
from services.detector.judging import Judge
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import ModelSettings
from services.ingest.handler import handle_message
from services.ingest.messages import Context, Message


def measure(
    pictures: Sequence[bytes], layout: LayoutPublished, model: ModelSettings, frames: int
) -> list[float]:
    """Return the milliseconds for each of `frames` frames, with the pictures taking turns. The
    first frames are left out, while the model warms up."""
    detector, facts = load_model(model)
    options = Options(size_px=model.size_px)
    analyser = Analyser(Judge(facts, load_slotnet(model), detector), options, lambda: None)
    command = ParametersSet(enter_observations=1, exit_observations=1)
    site = Site(site_id=layout.site_id)
    order = SiteCommanded(
        id="bench", site_id=layout.site_id, time_ms=0, issued_by="bench", command=command
    )
    for event in (lots.adoption(layout, "bench"), order):
        site, _ = step(site, event)
    looks: dict[str, Look] = {}
    spent = []
    for number in range(frames + len(pictures)):
        jpeg = pictures[number % len(pictures)]
        start_s = time.perf_counter()
        site = _one(jpeg, number, layout, analyser, looks, site)
        spent.append((time.perf_counter() - start_s) * 1000)
    return spent[len(pictures) :]


def _one(
    jpeg: bytes,
    number: int,
    layout: LayoutPublished,
    analyser: Analyser,
    looks: dict[str, Look],
    site: Site,
) -> Site:
    now_ms = time.time_ns() // 1_000_000
    topic = mqtt_topic(layout.camera_id, "frame", 1, number + 1, now_ms)
    handled = handle_message(Message(topic, jpeg, now_ms), Context())
    sent = handled.outgoing[0]
    record = Record(sent.topic, 0, number, sent.key, sent.value, sent.headers)
    frame = codec.decode(record)
    (finding,) = analyser.analyse([Job(record.value, layout.camera_id, layout)], looks)
    if isinstance(finding, Invalid) or not isinstance(frame, FrameReceived):
        raise TypeError(f"the benchmark's own frame was not accepted: {finding}")
    detection = DetectionMade(
        id=frame.id,
        site_id=frame.site_id,
        time_ms=frame.time_ms,
        camera_id=frame.camera_id,
        frame_ref=FrameRef(frame_id=frame.id, partition=0, offset=number),
        width=finding.width,
        height=finding.height,
        layout_version=layout.version,
        model_id=analyser.model_id,
        health=finding.health,
        boxes=finding.boxes,
        observations=finding.observations,
        timings_ms=finding.timings_ms,
    )
    written = codec.outgoing(detection, DETECTIONS, detection.site_id, "bench")
    read = codec.decode(Record(written.topic, 0, number, b"", written.value, written.headers))
    if not isinstance(read, DetectionMade):
        raise TypeError("a detection was not read back as a detection")
    site, outputs = step(site, read)
    for output in outputs:
        codec.to_json(output)
    return site
