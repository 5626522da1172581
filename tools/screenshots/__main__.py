"""Take the README's pictures from the demo that `make run` plays: `make screenshots`.

Writes docs/pictures/: dashboard.webp, dashboard-phone.webp, and dashboard-live.webp, which moves.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parents[2]
NODE = (sys.executable, "-m", "tools.stack.node")
E2E = ROOT / "dashboard" / "e2e"
FRAME_MS = 500


def main() -> int:
    """Take the pictures. Returns 1 if the page is unreachable or shows nothing within minutes."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the running dashboard")
    parser.add_argument("--site", default="demo")
    parser.add_argument("--seconds", type=int, default=20, help="length of the moving picture (20)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    options = parser.parse_args()
    if not (E2E / "node_modules").exists():
        subprocess.run([*NODE, "npm", "ci", "--no-audit", "--no-fund"], cwd=E2E, check=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = [options.url, options.site, str(ROOT / ".state" / "cache"), folder]
        command = [*NODE, "node", str(E2E / "pictures.mjs"), *arguments, str(options.seconds)]
        if subprocess.run(command, check=False).returncode != 0:
            print(f"no pictures of {options.url}: does `make run` run there?", file=sys.stderr)
            return 1
        convert(Path(folder), options.out)
    return 0


def convert(shots: Path, out: Path) -> list[Path]:
    """Convert the PNGs of pictures.mjs below `shots` to WebP: two stills and one animation."""
    out.mkdir(parents=True, exist_ok=True)
    still = {"desk.png": "dashboard.webp", "phone.png": "dashboard-phone.webp"}
    for source, target in still.items():
        cv2.imwrite(str(out / target), _read(shots / source), [cv2.IMWRITE_WEBP_QUALITY, 85])
    moving = cv2.Animation()
    # Half the size, because the README shows it that small.
    moving.frames = [
        cv2.resize(_read(path), None, fx=0.625, fy=0.625, interpolation=cv2.INTER_AREA)
        for path in sorted(shots.glob("moving-*.png"))
    ]
    moving.durations = [FRAME_MS] * len(moving.frames)
    live = out / "dashboard-live.webp"
    cv2.imwriteanimation(str(live), moving, [cv2.IMWRITE_WEBP_QUALITY, 70])
    return [*(out / name for name in still.values()), live]


def _read(path: Path) -> cv2.typing.MatLike:
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(f"{path} was not taken")
    return image


if __name__ == "__main__":
    sys.exit(main())
