"""When does an unconfirmed configuration open the portal again? One function per behaviour. Runs
under MicroPython: proof.py NAME FOLDER."""

import asyncio
import json
import sys

sys.path.insert(0, "firmware")

from hearing import Hal, hears

from app import layout
from app.config import filled
from app.device import Device
from app.proof import Proof
from loader.journal import Journal
from loader.slots import Slots
from sim.flash import Flash

FILE = sys.argv[2] + "/proof"
CONFIG = {"device_id": "demo/gate-1", "host": "nowhere", "password": "p", "tls": False}
CONFIG = filled(dict(CONFIG, provisioned_at_s=1_790_000_000))
TRIAL_MS = CONFIG["trial_s"] * 1000


def slots(flash=None):
    return Slots(Journal(flash or Flash(layout.SECTORS), layout.SLOTS))


def boots(count, config=CONFIG):
    return [Proof(FILE, config, slots()).begin() for _ in range(count)]


class Ends(Hal):
    """A device that may give up, which ends the run."""

    def __init__(self, flash):
        super().__init__(flash, FILE)

    def restart(self):
        raise SystemExit


def restarts(device, now_ms):
    """Return whether the device restarts at that moment (ms since it began)."""
    device.hal.now = now_ms

    async def turn():
        await asyncio.wait_for_ms(device._feed(), 20)  # noqa: SLF001 -- the loop that decides it

    try:
        asyncio.run(turn())
    except SystemExit:
        return True
    except asyncio.TimeoutError:
        return False


def after_three_boots_without_an_ack_it_opens_and_then_the_network_is_tried_again():
    assert boots(9) == [False, False, False, True, False, False, False, True, False]


def one_that_had_an_ack_is_never_doubted_again():
    flash = Flash(layout.SECTORS)
    device = Device(CONFIG, Ends(flash))
    assert boots(3) == [False] * 3
    device = Device(CONFIG, Ends(flash))
    hears(device, of="status", boot_id=device.boot_id, result="accepted")
    assert boots(9) == [False] * 9
    assert not restarts(Device(CONFIG, Ends(flash)), 10 * TRIAL_MS), "its network is gone for hours"
    typo = dict(CONFIG, provisioned_at_s=CONFIG["provisioned_at_s"] + 60)
    assert boots(4, typo) == [False] * 3 + [True], "another configuration proves itself anew"


def an_answer_that_is_no_acceptance_proves_nothing():
    device = Device(CONFIG, Ends(Flash(layout.SECTORS)))
    hears(device, of="status", boot_id=device.boot_id, result="rejected")
    hears(device, of="status", boot_id=device.boot_id - 1, result="accepted")
    hears(device, of="gate", boot_id=device.boot_id, seq=1, result="accepted")
    assert boots(4) == [False] * 3 + [True]


def a_boot_without_a_broker_gives_up_in_time():
    device = Device(CONFIG, Ends(Flash(layout.SECTORS)))
    assert not restarts(device, TRIAL_MS)
    device.connection = "there"
    assert not restarts(device, 5 * TRIAL_MS), "logged in: the typo is not here"
    device.connection = None
    assert not restarts(device, 6 * TRIAL_MS)
    assert restarts(device, 6 * TRIAL_MS + 1)
    assert "opening the portal" in device.hal.said[-1]
    assert boots(2) == [True, False]


def a_new_image_is_doubted_before_the_configuration():
    flash = Flash(layout.SECTORS)
    slots(flash).install()
    slots(flash).begin()
    assert not any(Proof(FILE, CONFIG, slots(flash)).begin() for _ in range(5))
    device = Device(CONFIG, Ends(flash))
    assert restarts(device, TRIAL_MS + 1)
    assert "this image" in device.hal.said[-1]
    assert boots(4) == [False] * 3 + [True], "nothing was counted"


def a_torn_or_missing_file_stops_nothing():
    for text in ("", "1790000000", "x y", "1790000000 2 2", "\0\0"):
        with open(FILE, "w") as file:
            file.write(text)
        assert boots(4) == [False] * 3 + [True], text
    nowhere = Proof(sys.argv[2] + "/no/folder", CONFIG, slots())
    assert not nowhere.begin()
    assert not nowhere.acked()


print(json.dumps(globals()[sys.argv[1]]()))
