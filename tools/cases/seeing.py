"""Pictures that must not be trusted, and some that must. Damaged pictures of the demo go through
the detector's own analysis and the tracker's own fold. These cases need no stack."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from msgspec.structs import replace
from numpy.typing import ArrayLike, NDArray

from parking.core.events import LayoutPublished
from parking.core.lots import layouts_from_annotations
from parking.vision.gating import Limits
from parking.vision.imagehealth import assess
from parking.vision.reference import decoded, make_reference, small_grey, with_references
from parking.vision.relocation import propose
from parking.wire.annotations import read_from
from services.detector.analysis import Analyser, Options
from services.detector.judging import Judge
from services.detector.runtimes import load_model, load_slotnet
from services.detector.settings import DEFAULT_MODEL, ModelSettings, default_slots
from tools.cases import Verdict, case, verdict
from tools.cases.camera import Watched
from tools.cases.world import World
from tools.evaluate.astride import Donor, composed

Picture = NDArray[np.uint8]
Change = Callable[[Picture], Picture]

_DEMO: Final = Path(__file__).parents[2] / "demo"
_MINUTES_MS: Final = 5 * 60_000


@cache
def _frame(number: int) -> Picture:
    return decoded((_DEMO / "north" / f"{number:03}.jpg").read_bytes())


@cache
def demo_layout() -> LayoutPublished:
    """Return the layout of the demo's north camera, with its reference picture."""
    annotations = json.loads((_DEMO / "annotations.json").read_text("utf-8"))
    layouts = layouts_from_annotations(annotations, "demo", interval_ms=1000, time_ms=1)
    north = [one for one in layouts if one.camera_id == "demo/north"]
    return next(iter(with_references(north, annotations, read_from(_DEMO))))


@cache
def _analyser() -> Analyser:
    slots = default_slots(DEFAULT_MODEL)
    settings = ModelSettings(DEFAULT_MODEL, "onnx", "f32", 1, 0, 0, 1, slots=slots)
    detector, facts = load_model(settings)
    judge = Judge(facts, load_slotnet(settings), detector)
    return Analyser(judge, Options(gate=Limits()), lambda: None)


def _camera(layout: LayoutPublished | None = None) -> Watched:
    return Watched(_analyser(), layout or demo_layout())


def _jpeg(picture: Picture, quality: int = 88) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))[1])


def _rows(change: Callable[[Picture], None]) -> Change:
    def changed(picture: Picture) -> Picture:
        layouts = picture.copy()
        change(layouts)
        return layouts

    return changed


def _set(rows: slice, values: Callable[[Picture], ArrayLike]) -> Change:
    def change(picture: Picture) -> None:
        picture[rows] = np.asarray(values(picture), np.uint8)

    return _rows(change)


_DAMAGES: Final[dict[str, Change]] = {
    "half of it shifted": _set(np.s_[320:], lambda p: np.roll(p[320:], 250, 1)),
    "a band shifted": _set(np.s_[220:420], lambda p: np.roll(p[220:420], -180, 1)),
    "all of it shifted": lambda p: np.roll(p, -384, 1),
    "the last row repeated": _set(np.s_[400:], lambda p: p[399]),
    "a band twice": _set(np.s_[384:576], lambda p: p[192:384]),
    "green": _set(np.s_[480:], lambda _: (0, 135, 0)),
    "grey in the middle": _set(np.s_[280:420], lambda _: 128),
}


def _spoilt(data: bytes, at: float, length: int) -> bytes:
    """Insert foreign bytes into the scan."""
    start, end = data.index(b"\xff\xda") + 14, data.rindex(b"\xff\xd9")
    place = start + int((end - start) * at)
    return data[:place] + bytes([1, 130, 77, 9]) * (length // 4) + data[place + length :]


@case("seeing", "a torn picture between good ones is damaged, and no slot changes")
def torn(world: World) -> Verdict:
    """Send each kind once, five minutes after a good picture."""
    del world
    wrong = []
    bad: dict[str, bytes] = {name: _jpeg(change(_frame(20))) for name, change in _DAMAGES.items()}
    bad["foreign bytes"] = _spoilt(_jpeg(_frame(20)), 0.5, 64)
    for name, data in bad.items():
        camera = _camera()
        for _ in range(3):
            camera.see(_jpeg(_frame(19)), _MINUTES_MS)
        before = camera.states()
        status = camera.see(data, _MINUTES_MS)
        after = camera.see(_jpeg(_frame(19)), _MINUTES_MS)
        discarded = status in ("damaged", "undecodable")
        if not discarded or after != "ok" or camera.states() != before:
            wrong.append(f"{name}: {status}, then {after}")
    return verdict(not wrong, wrong or f"{len(bad)} kinds")


@case("seeing", "consecutive torn pictures make the camera degraded; the first good one ends it")
def torn_in_a_row(world: World) -> Verdict:
    """Use the tracker's own limits."""
    del world
    camera = _camera()
    for number in (17, 18, 19):
        camera.see(_jpeg(_frame(number)), 1000)
    for change in list(_DAMAGES.values())[:3]:
        camera.see(_jpeg(change(_frame(20))), 1000)
    ill = camera.condition()
    camera.see(_jpeg(_frame(21)), 1000)
    return verdict(
        (ill, camera.condition()) == (("degraded", "damaged"), ("online", "ok")),
        f"{ill}, then {camera.condition()}",
    )


@case("seeing", "one unusual picture does not keep the camera's status at moved")
def odd(world: World) -> Verdict:
    """The next good picture counts at once."""
    del world
    camera = _camera()
    status = [camera.see(_jpeg(_frame(n)), _MINUTES_MS) for n in (18, 19)]
    other = np.asarray(cv2.resize(np.rot90(_frame(20)), _frame(20).shape[1::-1]), np.uint8)
    was = camera.see(_jpeg(other), _MINUTES_MS)
    status += [camera.see(_jpeg(_frame(n)), _MINUTES_MS) for n in (21, 22)]
    return verdict(was != "ok" and status == ["ok"] * 4, f"{was}; the others {status}")


def _clock(picture: Picture, second: int) -> Picture:
    layouts = picture.copy()
    for colour, thick in ((0, 5), (255, 2)):
        words = f"2024-06-01 10:00:{second:02}"
        cv2.putText(layouts, words, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (colour,) * 3, thick)
    return layouts


@case(
    "seeing",
    "a frozen picture with a running clock is frozen; a live one with hardly any noise is not",
)
def frozen(world: World) -> Verdict:
    """Send ten pictures each, one second apart."""
    del world
    rng = np.random.default_rng(5)
    still, live = _camera(), _camera()
    for second in range(10):
        last = still.see(_jpeg(_clock(_frame(20), second)), 1000)
        noise = rng.normal(0, 0.3, _frame(20).shape)
        noisy = np.asarray((_frame(20) + noise).round().clip(0, 255), np.uint8)
        alive = live.see(_jpeg(_clock(noisy, second)), 1000)
    return verdict((last, alive) == ("frozen", "ok"), f"frozen: {last}; live: {alive}")


_SHAPES: Final[dict[str, tuple[str, Change]]] = {
    "as it is": ("ok", lambda p: p),
    "squeezed to 4:3": ("ok", lambda p: _sized(p, (720, 640))),
    "turned to the right": ("moved", lambda p: np.rot90(p, 3)),
    "turned to the left": ("moved", np.rot90),
    "upside down": ("moved", lambda p: p[::-1, ::-1]),
    "mirrored": ("moved", lambda p: p[:, ::-1]),
    "cut": ("moved", lambda p: p[:, 80:880]),
    "with bars": ("moved", lambda p: np.pad(p, ((100, 100), (0, 0), (0, 0)))),
    "zoomed, 16:10": ("moved", lambda p: _sized(p[25:615, 8:952], (960, 600))),
}


def _sized(picture: Picture, size_wh: tuple[int, int]) -> Picture:
    return np.asarray(cv2.resize(picture, size_wh), np.uint8)


@case(
    "seeing",
    "a picture of another shape is reported with a layout that fits; a squeezed one is accepted",
)
def shapes(world: World) -> Verdict:
    """The proposal must stay the same once it is accepted."""
    del world
    wrong = []
    for name, (right, change) in _SHAPES.items():
        picture = np.ascontiguousarray(change(_frame(20)))
        came = _camera().see(_jpeg(picture), 1000)
        if came != right:
            wrong.append(f"{name}: {came}")
        elif right == "moved":
            accepted = propose(demo_layout(), picture).layout
            if _camera(accepted).see(_jpeg(picture), 1000) != "ok":
                wrong.append(f"{name}: the proposal does not fit")
    return verdict(not wrong, wrong or f"{len(_SHAPES)} shapes")


def _wet(picture: Picture, sigma: float) -> Picture:
    height, width = picture.shape[:2]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    far = np.hypot(xs / width - 0.5, (ys / height - 0.6) * height / width)
    mask = (1 / (1 + np.exp((far / 0.25 - 1) * 12)))[..., None]
    soft = cv2.GaussianBlur(picture, (0, 0), sigma)
    return np.asarray(picture * (1 - mask) + soft * mask, np.uint8)


@case(
    "seeing",
    "slots behind a wet part of the lens are unknown; the camera reports the part",
)
def wet(world: World) -> Verdict:
    """The other slots keep their states."""
    del world
    wrong = []
    for sigma in (5, 9, 18):
        camera = _camera()
        seen = [camera.find(_jpeg(_wet(_frame(20), sigma)), 1000) for _ in range(3)][-1]
        unknown = sum(one.state == "unknown" for one in seen.observations)
        status = camera.condition()
        if status != ("degraded", "partly-blurred") or not 0 < unknown < len(seen.observations):
            wrong.append(f"blurred by {sigma} px: {status}, {unknown} of {len(seen.observations)}")
        if not seen.health.blurred:
            wrong.append(f"blurred by {sigma} px: no part is reported")
    return verdict(not wrong, wrong or "3 strengths")


@case("seeing", "an empty, sharp lot of one grey is not fogged; a soft lens and a mask are normal")
def normal(world: World) -> Verdict:
    """The reference picture defines that camera's normal look."""
    del world
    grains = np.clip(np.random.default_rng(8).normal(136, 30, (90, 160)), 88, 196).astype(np.uint8)
    gravel = np.asarray(cv2.resize(grains, (1280, 720), interpolation=cv2.INTER_NEAREST), np.uint8)
    status: dict[str, str] = {"gravel": assess(small_grey(gravel), None)[0].status}
    for name, change in {"soft": _soft, "masked": _masked}.items():
        known = replace(demo_layout(), reference=make_reference(change(_frame(0))))
        status[name] = _camera(known).see(_jpeg(change(_frame(24))), 1000)
        status[f"{name}, against a clear one"] = _camera().see(_jpeg(change(_frame(24))), 1000)
    right = {"gravel": "ok", "soft": "ok", "masked": "ok"}
    right |= {"soft, against a clear one": "blurred", "masked, against a clear one": "covered"}
    return verdict(status == right, status)


def _soft(picture: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.6), np.uint8)


def _masked(picture: Picture) -> Picture:
    layouts = np.zeros_like(picture)
    layouts[210:430, 310:650] = picture[210:430, 310:650]
    return layouts


_CAR: Final = np.array((531.0, 367.0, 640.0, 524.0))
"""The box in pixels of a car that is parked in B05 in the demo's picture 3."""


def _outline(slot_id: str) -> NDArray[np.float64]:
    """Return a slot's outline in pixels of the demo's pictures."""
    (slot,) = (one for one in demo_layout().slots if one.slot_id == slot_id)
    return np.asarray(slot.polygon) * _frame(3).shape[1::-1]


@case("seeing", "a car on the line between two spaces: neither is free; in one of them: one is")
def astride(world: World) -> Verdict:
    """Both slots must name each other."""
    del world
    wrong = []
    car, pair = Donor(_CAR, _outline("B05")), (_outline("B03"), _outline("B04"))
    for share, right in ((0.5, (["B04"], ["B03"])), (1.0, ([], []))):
        copy = composed(_frame(3), car, pair, share)
        picture = _jpeg(copy[0]) if copy else b""
        camera = _camera()
        found = [camera.find(each, 1000) for each in (_jpeg(_frame(2)), picture, picture)][-1]
        seen = {one.slot_id: one.straddling for one in found.observations}
        shown = (camera.states()["B03"], camera.states()["B04"])
        states = ("occupied" if share < 1 else "free", "occupied")
        if shown != states or (seen["B03"], seen["B04"]) != right:
            wrong.append(
                f"{share:.0%} of the way: {shown}, straddling {seen['B03']}, {seen['B04']}"
            )
    return verdict(not wrong, wrong or "2 places")
