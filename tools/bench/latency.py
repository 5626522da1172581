"""Measure from the frame's publication over MQTT to its change on SSE, through every process.

A camera of the footage plays its pictures forwards and backwards, so cars come and go as in the
footage. Frames that change a slot are measured. Then the two pictures whose truth differs most
alternate, which changes half of a lot at once. Both of the tracker's hysteresis counts are 1, so
that the pipeline alone is measured. Last, they are 2, the default, which adds one frame interval by
design.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

from rich.progress import track

from parking.core import lots
from parking.core.events import LayoutPublished, ParametersSet
from parking.runtime.kafka import KafkaSettings
from services.detector.settings import DEFAULT_MODEL, DEFAULT_SLOT_MODEL, ModelSettings
from tools.bench import hops
from tools.bench.in_process import measure
from tools.cli import admin
from tools.simulator.device import Broker, Device
from tools.simulator.footage import load
from tools.sse import Listener
from tools.stack.infra import Infra
from tools.stack.settings import ROOT, Paths

SERVICES = ("ingest", "detector", "tracker", "persister", "notifier")
QUIET_S = 3.0
"""If nothing has arrived for this long, no more is expected."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. `size_px` is the long side of the model's input; 0 means the size that the
    layout needs."""

    footage: Path
    frames: int
    interval_ms: int
    size_px: int


def run(plan: Plan, environ: Mapping[str, str]) -> str:
    """Measure and return the table (Markdown)."""
    scene = scene_of(plan.footage, plan.interval_ms)
    layout = scene.layout
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        paths = Paths(Path(scratch) / "state", ROOT / ".state" / "cache")
        with Infra(paths, environ) as infra:
            for service in track(SERVICES, "starting services"):
                infra.start_service(service, _settings(plan), limit_s=120)
            kafka = KafkaSettings(infra.bootstrap)
            asyncio.run(admin.publish_layouts(kafka, [layout], "bench"))
            url = infra.url("notifier") + f"/api/events?site={layout.site_id}"
            _, password = infra.add_device(*layout.camera_id.split("/"))
            broker = Broker(infra.mqtt_host, infra.mqtt_port)
            device = Device(layout.camera_id, password, broker, Path(scratch))
            device.start()
            try:
                with Listener(url) as listener:
                    lot = Lot(kafka, device, listener, plan)
                    one = phase(lot, scene.story, 1)
                    parts = asyncio.run(hops.measured(kafka, in_unix_ms(one)))
                    half = phase(lot, scene.extremes, 1)
                    two = phase(lot, scene.extremes, 2)
                    infra.stop("detector")
                    off = _settings(plan) | {"DETECTOR_GATE": "off"}
                    infra.start_service("detector", off, limit_s=120)
                    ungated = phase(lot, scene.story, 1)
            finally:
                device.stop()
        model = ModelSettings(
            DEFAULT_MODEL, "onnx", "f32", 0, 0, plan.size_px, 1, slots=DEFAULT_SLOT_MODEL
        )
        alone = measure(scene.extremes, layout, model, plan.frames)
    phases = [durations_ms(spans) for spans in (one, ungated, half, two)]
    return _table(plan, (alone, *phases)) + "\n\n" + parts


def _settings(plan: Plan) -> dict[str, str]:
    """Return the settings for the shipped models with the requested input size."""
    return {"DETECTOR_SIZE": str(plan.size_px)} if plan.size_px else {}


class Scene(NamedTuple):
    """A camera's view: all its pictures in order, and the two whose truth differs most."""

    layout: LayoutPublished
    story: list[bytes]
    extremes: list[bytes]


class Lot(NamedTuple):
    """The running camera, and the listener."""

    kafka: KafkaSettings
    device: Device
    listener: Listener
    plan: Plan


def scene_of(folder: Path, interval_ms: int) -> Scene:
    """Load the footage's first camera, without the pictures of a covered lens."""
    footage = load(folder)
    layout = lots.layouts_from_annotations(
        footage.annotations,
        footage.site_id,
        interval_ms=interval_ms,
        time_ms=time.time_ns() // 1_000_000,
    )[0]
    frames = [
        frame
        for frame in footage.annotations["frames"]
        if lots.slug(frame["camera"]) == layout.camera_id.split("/")[1] and not frame.get("covered")
    ]
    counts = [sum(slot["occupied"] or 0 for slot in frame["slots"]) for frame in frames]
    pictures = [(folder / frame["file"]).read_bytes() for frame in frames]
    extremes = [pictures[counts.index(min(counts))], pictures[counts.index(max(counts))]]
    return Scene(layout, pictures + pictures[-2:0:-1], extremes)


Spans = Mapping[str, tuple[float, float]]
"""When a frame was published and when the change that names it arrived (time.monotonic, seconds),
keyed by the id of the frame."""


def durations_ms(spans: Spans) -> list[float]:
    """How long each span is."""
    return [(arrived_s - published_s) * 1000 for published_s, arrived_s in spans.values()]


def in_unix_ms(spans: Spans) -> Spans:
    """The same moments on the clock of the records' timestamps."""
    shift_s = time.time() - time.monotonic()
    return {
        i: ((published_s + shift_s) * 1000, (arrived_s + shift_s) * 1000)
        for i, (published_s, arrived_s) in spans.items()
    }


def phase(lot: Lot, pictures: Sequence[bytes], observations: int) -> Spans:
    """Publish each picture `observations` times in a row. A span is from the first frame of its
    kind to the change that the last one completes. Frames that changed nothing are left out."""
    kafka, device, listener, plan = lot
    both = ParametersSet(enter_observations=observations, exit_observations=observations)
    asyncio.run(admin.command_site(kafka, device.device_id.split("/")[0], both, "bench"))
    published: dict[str, float] = {}
    firsts: list[str] = []
    warm_up = 4 * observations
    total = warm_up + plan.frames
    for number in track(range(total), f"{observations} observation(s) a change"):
        start_s = time.monotonic()
        kind, repeat = divmod(number, observations)
        jpeg = pictures[kind % len(pictures)]
        if device.frame(jpeg, time.time_ns() // 1_000_000) and number >= warm_up:
            frame_id = f"{device.device_id}/{device.boot_id}/{device.last_seq}"
            published[frame_id] = start_s
            if repeat == 0:
                firsts.append(frame_id)
        time.sleep(max(0.0, plan.interval_ms / 1000 - (time.monotonic() - start_s)))
    arrived = _arrivals(listener, published)
    if observations == 1:
        return {i: (published[i], arrived[i]) for i in published if i in arrived}
    # The time counts from the first frame that showed the change, not from the one that completed
    # it.
    ids = list(published)
    return {
        i: (published[i], arrived[ids[n + observations - 1]])
        for n, i in enumerate(ids[: 1 - observations])
        if i in firsts and ids[n + observations - 1] in arrived
    }


def _arrivals(listener: Listener, wanted: Mapping[str, float]) -> dict[str, float]:
    newest_s = max(wanted.values())
    while time.monotonic() < newest_s + QUIET_S:
        newest_s = max(newest_s, *(e[3] for e in listener.events if e[0] == "slot-change"))
        time.sleep(0.1)
    found: dict[str, float] = {}
    for event, _, data, at_s in list(listener.events):
        cause: dict[str, Any] = data.get("cause", {})
        if event == "slot-change" and cause.get("id") in wanted:
            found.setdefault(cause["id"], at_s)
    return found


def _table(plan: Plan, measured: tuple[list[float], ...]) -> str:
    alone, one, ungated, half, two = measured
    rows = [
        ("MQTT to SSE, cars come and go", one),
        ("the same with the gate off", ungated),
        ("MQTT to SSE, half of the slots change at once", half),
        (f"the same, 2 observations a change (adds {plan.interval_ms} ms by design)", two),
        ("in one process, every slot judged", alone),
    ]
    lines = [
        f"{plan.frames} frames, one each {plan.interval_ms} ms, input {plan.size_px or 'by need'}, "
        f"{os.cpu_count()} cores",
        "",
        "| path | frames | p50 ms | p99 ms | p50 / in one process |",
        "|---|---|---|---|---|",
    ]
    base = percentile(alone, 50)
    for name, values in rows:
        p50, p99 = percentile(values, 50), percentile(values, 99)
        lines.append(f"| {name} | {len(values)} | {p50:.0f} | {p99:.0f} | {p50 / base:.2f} |")
    return "\n".join(lines)


def percentile(values: list[float], percent: int) -> float:
    """Return the percentile, or nan for fewer than two values."""
    if len(values) < 2:
        return float("nan")
    return quantiles(values, n=100, method="inclusive")[percent - 1]
