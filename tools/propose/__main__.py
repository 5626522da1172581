"""Propose slots from where vehicles stop in a recording, for a person to correct and publish.

  python -m tools.propose FOLDER --out proposals
  python -m tools.propose FOLDER --out proposals --region "0,0.2 1,0.2 1,1 0,1"
  python -m tools.propose --boxes detections.jsonl --out proposals
  python -m tools.propose --evaluate ../shared/data/* demo --out runs/propose

FOLDER holds JPEG pictures of one camera, or one folder per camera, or an annotations.json with the
pictures it names. The cameras must not have moved. A slot that stays empty in the recording is
found only as a gap in a row, so record a busy day.

For each camera below --out: NAME.layout.json (edit it, then `parking layout check FILE` and
`parking layout publish FILE`, see docs/cameras.md; each slot's `confidence` is only for you, and
readers ignore it), NAME.jpg (the proposals over the median picture) and
NAME-MODEL-SIZE-PICTURES.boxes.jsonl (the detections, reused by the next run over the same pictures;
PICTURES is their digest). Every place where vehicles stand is proposed, including along a street
and double-parked. Use --region to exclude such places.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import msgspec
from rich.progress import track

from parking.core import lots
from parking.core.errors import Invalid, SettingsError
from parking.core.events import LayoutPublished
from parking.vision.proposals import Options, Proposal, layout_of, propose
from services.detector.model import model_id
from services.detector.settings import DEFAULT_MODEL
from tools.propose.evaluate import Results, annotated_cameras
from tools.propose.picture import draw
from tools.propose.recording import (
    Frame,
    cameras,
    digest,
    far_apart,
    look,
    median_picture,
    open_analyser,
    read_frames,
    read_lines,
    write_lines,
)
from tools.simulator.footage import Shot


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. An error prints one line and sets exit status 1."""
    options = _parser().parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        if options.evaluate:
            _evaluate(options)
        else:
            _propose(options)
    except (Invalid, SettingsError) as error:
        sys.exit(f"propose: {error}")


def _propose(options: argparse.Namespace) -> None:
    if options.folder is None and options.boxes is None:
        raise Invalid("no-recording", "give a FOLDER of pictures, or --boxes, or both")
    shots = cameras(options.folder) if options.folder else {}
    if options.boxes:
        by_device = read_frames(read_lines(options.boxes))
    else:
        by_device = _look(options, shots, options.out)
    for device, frames in by_device.items():
        apart = options.apart or far_apart(frames)
        chosen = Options(
            min_frames=options.min_frames,
            region=options.region,
            apart=apart,
            fill_gaps=not options.no_fill,
            least_confidence=options.least,
        )
        size_wh = frames[0].size_wh
        found = propose([frame.sure(options.score) for frame in frames], size_wh, chosen)
        if not found:
            print(f"{device}: no vehicle stood still in {len(frames)} frames")
            continue
        _write(options, device, found)
        if device in shots:
            picture = draw(median_picture(shots[device]), found)
            cv2.imwrite(str(options.out / f"{device}.jpg"), picture)
        seen = sum(one.frames > 0 for one in found)
        print(
            f"{device}: {len(found)} slots proposed from {len(frames)} frames, {len(found) - seen} "
            f"of them gaps in rows; see {options.out / device}.layout.json"
        )


def _look(
    options: argparse.Namespace, shots: dict[str, list[Shot]], out: Path
) -> dict[str, list[Frame]]:
    """Return the detections of every camera's pictures. They are computed once per model and input
    size, then read from a file for as long as the pictures stay the same."""
    analyser = None
    found = {}
    by = f"{model_id(DEFAULT_MODEL)}-{options.size}"
    for device, some in shots.items():
        file = out / f"{device}-{by}-{digest(some)}.boxes.jsonl"
        if not file.exists():
            analyser = analyser or open_analyser(options.size, options.threads)
            write_lines(file, look(analyser, device, track(some, device)))
        frames = read_frames(read_lines(file)).get(device, [])
        if frames:
            found[device] = frames
    return found


def _write(options: argparse.Namespace, device: str, found: Sequence[Proposal]) -> None:
    site = lots.slug(options.site or (options.folder or options.boxes).resolve().name)
    camera_id = f"{site}/{device}"
    empty = LayoutPublished(
        id=f"{camera_id}/layout/1",
        site_id=site,
        time_ms=time.time_ns() // 1_000_000,
        camera_id=camera_id,
        version=1,
        site_name=site,
        camera_name=device,
        interval_ms=options.interval_ms,
        zones=[],
        slots=[],
    )
    layout = msgspec.to_builtins(lots.checked(layout_of(found, empty)))
    for slot, one in zip(layout["slots"], found, strict=True):
        slot["confidence"] = one.confidence
    (options.out / f"{device}.layout.json").write_text(json.dumps(layout, indent=1), "utf-8")


def _evaluate(options: argparse.Namespace) -> None:
    results = Results()
    for folder in options.evaluate:
        out = options.out / lots.slug(folder.resolve().name)
        out.mkdir(exist_ok=True)
        frames = _look(options, cameras(folder), out)
        for device, camera in annotated_cameras(folder, frames).items():
            results.add(f"{folder.resolve().name} {device}", camera, options.score)
    (options.out / "evaluation.json").write_text(json.dumps(results.numbers(), indent=1), "utf-8")
    print(results.table())


def _region(text: str) -> list[tuple[float, float]]:
    points = [tuple(float(part) for part in pair.split(",")) for pair in text.split()]
    corners = [(point[0], point[1]) for point in points if len(point) == 2]
    if len(corners) != len(points) or len(corners) < 3:
        raise argparse.ArgumentTypeError("at least three corners 'x,y x,y x,y' in 0..1")
    return corners


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.propose",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", help="the recording")
    parser.add_argument(
        "--out", type=Path, default=Path("proposals"), help="folder for the results"
    )
    parser.add_argument("--boxes", type=Path, help="parking.detections records as JSON lines")
    parser.add_argument("--site", help="site id of the layout (the folder's name)")
    parser.add_argument("--interval-ms", type=int, default=1000, help="the cameras' pace (1000)")
    parser.add_argument(
        "--region", type=_region, help="propose only inside this outline: 'x,y x,y x,y' in 0..1"
    )
    parser.add_argument("--size", type=int, default=1280, help="detector input, pixels (1280)")
    parser.add_argument("--threads", type=int, default=0, help="inference threads (0: automatic)")
    parser.add_argument("--score", type=float, default=0.3, help="lowest score of a box (0.3)")
    parser.add_argument(
        "--least", type=float, default=0.0, help="lowest confidence of a proposal (0)"
    )
    parser.add_argument(
        "--min-frames",
        type=int,
        help="fewest frames in which a slot is occupied (2 if they are minutes apart, otherwise 5)",
    )
    parser.add_argument("--no-fill", action="store_true", help="do not fill gaps in rows")
    parser.add_argument(
        "--apart",
        action="store_true",
        help="frames are minutes apart (detected if times are known)",
    )
    parser.add_argument("--evaluate", type=Path, nargs="+", help="annotated folders to measure on")
    return parser


if __name__ == "__main__":
    main()
