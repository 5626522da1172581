"""One simulated board under the unix port: micropython firmware/sim/run.py WORLD.json

WORLD.json holds {"config": {...} or null, "world": {...}} (board.py). Without a configuration the
board provisions itself: by the portal on world["portal_port"], else on the serial line.
"""

import json
import random
import sys

HERE = sys.argv[0].rsplit("/sim/", 1)[0] if "/sim/" in sys.argv[0] else "firmware"
sys.path.insert(0, HERE)

from loader.boot import boot  # noqa: E402
from sim.flash import FlashFile  # noqa: E402


def main(path):
    """Boot as the board would."""
    with open(path) as file:
        told = json.load(file)
    world = told["world"]
    state = world["state"]

    def folder(slot):
        place = state + "/" + slot
        for name in ("/app/main.py", "/app/main.mpy"):
            try:
                open(place + name).close()
                return place
            except OSError:
                pass  # not that form
        return HERE  # nothing was ever updated: the files of this tree

    boot(FlashFile(32, state + "/flash.bin"), folder, lambda: None, lambda: start(told, path))


def start(told, path):
    """Import the image that is due and run it."""
    from app import main as image
    from app.config import filled, problems
    from sim.board import Board

    if told["config"] is None:
        told["config"] = _provisioned(told["world"])
        with open(path, "w") as file:
            json.dump(told, file)
    config = told["config"]
    wrong = problems(config)
    if wrong:
        raise ValueError(", ".join(wrong))
    config = filled(config)
    image.main(Board(config, told["world"]), config)


def _provisioned(world):
    from app import main as image
    from app import provision

    port = world.get("portal_port")
    if port:
        import asyncio

        return asyncio.run(image.provision(random.random, "127.0.0.1", port))
    return provision.serial(_write, sys.stdin.readline, random.random())


def _write(words):
    print(words, end="")


if __name__ == "__main__":
    main(sys.argv[1])
