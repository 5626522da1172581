"""Render footage of parking lots with exact truth: the demo site, or random lots for training.

  python -m tools.render --out demo                        the demo: two cameras, an afternoon
  python -m tools.render --out runs/scenes --scenes 60     60 random lots, one picture each
  python -m tools.render --out runs/night --conditions 4   4 random lots at day and night, wet, ...

Needs the extra [render] (make .venv/.render). With an LLVM library, a picture of 960x640 takes
about 7 s on two cores. Without one it takes about half a minute. (Set DRJIT_LIBLLVM_PATH if the
library is not found automatically.) Existing pictures are not rendered again, so an interrupted run
continues.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import mitsuba as mi
import numpy as np
from rich.progress import track

from tools.render import truth
from tools.render.conditions import CONDITIONS, under
from tools.render.site import Camera, Site, demo_site, random_site
from tools.render.story import DemoStory, Moment, random_moment
from tools.render.weather import drops_on_lens

JPEG_QUALITY = 80


class Studio:
    """The output folder of one run, and how its pictures are rendered."""

    def __init__(self, out: Path, quality: Any, seed: int) -> None:
        """`quality` is a shot.Quality. Nothing is rendered yet."""
        self._out, self._quality, self._seed = out, quality, seed
        self._parts = out / "parts"
        self._parts.mkdir(parents=True, exist_ok=True)

    def moment(
        self, stage: Any, cameras: Sequence[Camera], moment: Moment, index: int
    ) -> list[dict[str, Any]]:
        """Photograph one moment with each camera unless that has been done, and return the
        annotations."""
        from tools.render.shot import Photographer

        rendered = []
        photographer = None
        for camera in cameras:
            part = self._parts / f"{camera.name}-{index:03d}.json"
            if not part.exists():
                photographer = photographer or Photographer(stage, moment, self._seed)
                annotation = self._photograph(photographer, stage.site, camera, moment, index)
                part.write_text(json.dumps(annotation), "utf-8")
            rendered.append(json.loads(part.read_text("utf-8")))
        return rendered

    def _photograph(
        self, photographer: Any, site: Site, camera: Camera, moment: Moment, index: int
    ) -> dict[str, Any]:
        from tools.render import shot

        rng = np.random.default_rng([self._seed, index, sum(camera.name.encode())])
        covered = camera.name in moment.covered
        boxes, people = [], 0
        if covered:
            picture = shot.cover(self._quality.size_wh, rng)
        else:
            taken = photographer.shoot(camera, replace(self._quality, seed=index))
            picture = shot.develop(taken.light, moment.light.brightness, rng, moment.light.noise)
            if moment.drops:
                picture = drops_on_lens(picture, rng)
            boxes = truth.boxes(taken.owner, taken.names)
            people = truth.people(taken.owner, taken.names)
        file = self._out / camera.name / f"{index:03d}.jpg"
        file.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(file), picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        width, height = self._quality.size_wh
        return {
            "file": f"{camera.name}/{file.name}",
            "camera": camera.name,
            "timestamp": moment.time.isoformat(),
            "weather": _weather(moment),
            "width": width,
            "height": height,
            "covered": covered,
            "people": people,
            "boxes": boxes,
            "slots": truth.slots(site, camera, moment, self._quality.size_wh),
        }

    def finish(self, whole: dict[str, Any]) -> None:
        """Write annotations.json and remove the parts."""
        lines = [f" {json.dumps(frame)}" for frame in whole.pop("frames")]
        head = json.dumps(whole, indent=1).removesuffix("\n}")
        text = f'{head},\n "frames": [\n' + ",\n".join(lines) + "\n ]\n}\n"
        (self._out / "annotations.json").write_text(text, "utf-8")
        for part in self._parts.iterdir():
            part.unlink()
        self._parts.rmdir()


def demo(studio: Studio, frames: int, seed: int) -> Iterator[int]:
    """Render the demo site's afternoon, frame by frame for all cameras."""
    from tools.render.scene import Stage

    site = demo_site()
    story = DemoStory(site, frames, seed)
    stage = Stage(site)
    rendered = []
    for index, moment in enumerate(story.moments):
        rendered += studio.moment(stage, site.cameras, moment, index)
        yield index
    rendered.sort(key=lambda frame: frame["file"])
    studio.finish(truth.annotations(site, rendered, story.gate))


def conditions(studio: Studio, count: int, seed: int) -> Iterator[int]:
    """Render random lots, one picture under each condition. All pictures of a lot show the same
    cars from the same place."""
    from tools.render.scene import Stage

    rendered = []
    for index in range(count * len(CONDITIONS)):
        lot, name = (
            seed * 10_000 + index // len(CONDITIONS),
            list(CONDITIONS)[index % len(CONDITIONS)],
        )
        site = random_site(lot)
        camera = replace(site.cameras[0], name=f"lot{index // len(CONDITIONS):03d}")
        plain = random_moment(site, lot)
        taken = {car.slot_id for car in plain.cars}
        free = [slot.slot_id for slot in site.slots if slot.slot_id not in taken]
        moment = under(name, plain, free, lot)
        rendered += studio.moment(Stage(site, moment.surface), [camera], moment, index)
        yield index
    studio.finish({"dataset": "conditions", "frames": rendered})


def scenes(studio: Studio, count: int, seed: int) -> Iterator[int]:
    """Render random lots, one picture each."""
    from tools.render.scene import Stage

    rendered = []
    for index in range(count):
        site = random_site(seed * 10_000 + index)
        camera = replace(site.cameras[0], name=f"lot{index:03d}")
        moment = random_moment(site, seed * 10_000 + index)
        rendered += studio.moment(Stage(site), [camera], moment, index)
        yield index
    studio.finish({"dataset": "rendered", "frames": rendered})


def _weather(moment: Moment) -> str:
    light = moment.light
    if moment.weather:
        return moment.weather
    if light.overcast:
        return "overcast"
    if light.sun_elevation_deg < 0:
        return "night"
    return "dusk" if light.sun_elevation_deg < 8 else "sunny"


def _choose_variant(variant: str) -> str:
    if variant != "auto":
        mi.set_variant(variant)
        return variant
    try:
        mi.set_variant("llvm_ad_rgb")
        mi.load_dict({"type": "sphere"})
    except (ImportError, RuntimeError):
        mi.set_variant("scalar_rgb")
    return str(mi.variant())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.render",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the footage")
    parser.add_argument("--frames", type=int, default=48, help="frames per camera (48)")
    parser.add_argument("--scenes", type=int, default=0, help="random lots instead of the demo")
    parser.add_argument("--conditions", type=int, default=0, help="random lots at day, night, ...")
    parser.add_argument("--size", default="960x640", help="pixels (960x640)")
    parser.add_argument("--spp", type=int, default=12, help="samples per pixel (12)")
    parser.add_argument("--seed", type=int, default=4, help="seed of the story and the noise (4)")
    parser.add_argument("--variant", default="auto", help="mitsuba's (auto: llvm, else scalar)")
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    started = datetime.now().astimezone()
    print(f"mitsuba {mi.__version__}, {_choose_variant(options.variant)}; {started:%H:%M}")
    # mitsuba's types exist only once a variant is chosen, so modules that use them come later.
    from tools.render.shot import Quality

    studio = Studio(options.out, Quality((width, height), options.spp, options.seed), options.seed)
    if options.conditions:
        steps, total = conditions(studio, options.conditions, options.seed), options.conditions
        total *= len(CONDITIONS)
    elif options.scenes:
        steps, total = scenes(studio, options.scenes, options.seed), options.scenes
    else:
        steps, total = demo(studio, options.frames, options.seed), options.frames
    for _ in track(steps, "rendering", total=total):
        pass


if __name__ == "__main__":
    main()
