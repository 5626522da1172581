"""One simulated board under the unix port: micropython firmware/sim/run.py WORLD.json

WORLD.json holds {"config": {...} or null, "world": {...}} (board.py). Without a configuration the
board is provisioned through the portal on world["portal_port"] or, if it has none, on the serial
line. With an unconfirmed one (app/proof.py) it opens that portal, if it has one, for
world["portal_s"].
"""

import json
import random
import sys

HERE = sys.argv[0].rsplit("/sim/", 1)[0] if "/sim/" in sys.argv[0] else "firmware"
sys.path.insert(0, HERE)

from loader.boot import boot  # noqa: E402
from loader.journal import Journal  # noqa: E402
from loader.slots import Slots  # noqa: E402
from sim.flash import FlashFile  # noqa: E402


def main(path):
    """Boot as a real board would."""
    with open(path) as file:
        request = json.load(file)
    world = request["world"]
    state = world["state"]

    def folder(slot):
        place = state + "/" + slot
        for name in ("/app/main.py", "/app/main.mpy"):
            try:
                open(place + name).close()
                return place
            except OSError:
                pass  # no file of that form
        return HERE  # never updated, so use the files of this tree

    flash = FlashFile(32, state + "/flash.bin")
    boot(flash, folder, lambda: None, lambda: start(request, path, flash))


def start(request, path, flash):
    """Import the image that is due and run it."""
    from app import layout
    from app import main as image
    from app.config import filled, problems
    from app.proof import PORTAL_S, Proof
    from sim.board import RESTART, Board

    def keep(config):
        request["config"] = config
        with open(path, "w") as file:
            json.dump(request, file)

    world = request["world"]
    if request["config"] is None:
        keep(_provisioned(world, None))
    config = request["config"]
    wrong = problems(config)
    if wrong:
        raise ValueError(", ".join(wrong))
    config = filled(config)
    slots = Slots(Journal(flash, layout.SLOTS))
    if "portal_port" in world and Proof(world["state"] + "/proof", config, slots).begin():
        made = _provisioned(world, world.get("portal_s", PORTAL_S))
        if made is not None:
            keep(made)
        sys.exit(RESTART)
    image.main(Board(config, request["world"]), config)


def _provisioned(world, limit_s):
    from app import main as image
    from app import provision

    port = world.get("portal_port")
    if port:
        import asyncio

        return asyncio.run(image.provision(random.random, "127.0.0.1", port, limit_s))
    return provision.serial(_write, sys.stdin.readline, random.random())


def _write(words):
    print(words, end="")


if __name__ == "__main__":
    main(sys.argv[1])
