"""An ESP32 with a camera: everything that app/ needs from its board."""

import asyncio
import gc
import json
import os
import random
import socket
import time

import machine
import network

from app import layout, main, sntp
from app.clock import Monotonic
from app.config import filled, problems
from app.edges import Edges
from app.portal import saved, serve_dns
from app.proof import PORTAL_S, Proof
from app.tls import context
from hal.camera import Camera
from hal.inputs import Contacts, Ultrasonic
from hal.store import Store
from loader.journal import Journal
from loader.slots import Slots

CONFIG = "/config.json"
PORTAL_KEY = "/portal.key"
PROOF = "/proof"
WATCHDOG_MS = 60_000  # longer than any blocking call (DNS look-up, TLS handshake)
JOIN_S = 20
NTP_S = 5


class Esp32:
    """See app/device.py for what each method is for."""

    def __init__(self, config, flash):
        self._config = config
        self.flash, self.store, self.proof = flash, Store(""), PROOF
        self.mono_ms = Monotonic(time.ticks_ms)
        self._wifi = network.WLAN(network.STA_IF)
        pins = __import__("boards." + config["board"], None, None, ["x"])
        self._camera = Camera(pins.CAMERA, config["frame_size"])
        self.edges = Edges(self.mono_ms)
        if config["gate"]:
            (Ultrasonic if config["ultrasonic"] else Contacts)(pins, self.edges)
        self.capture, self.set_frame_size = self._camera.capture, self._camera.set_frame_size
        self._watchdog = machine.WDT(timeout=WATCHDOG_MS)

    def random(self):
        """Return 0 <= x < 1 from the hardware."""
        return int.from_bytes(os.urandom(4), "big") / 4_294_967_296

    def say(self, text):
        """Write to the serial line."""
        print(text)

    def ssl(self):
        """Return the TLS context."""
        return context(self._config)

    def online(self):
        """Return whether the Wi-Fi is connected."""
        return self._wifi.isconnected()

    async def join(self):
        """Join the Wi-Fi. Returns whether it worked."""
        self._wifi.active(False)  # a stuck radio is a known cause of never reconnecting
        self._wifi.active(True)
        self._wifi.connect(self._config["wifi_ssid"], self._config["wifi_password"])
        for _ in range(JOIN_S * 10):
            if self._wifi.isconnected():
                return True
            await asyncio.sleep_ms(100)
        return False

    async def ntp(self):
        """Ask a time server. Returns (wall ms, monotonic ms), or None without an answer."""
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            asking.setblocking(False)
            place = socket.getaddrinfo(self._config["ntp_host"], 123)[0][-1]
            asked_ms = self.mono_ms()
            asking.sendto(sntp.REQUEST, place)
            for _ in range(NTP_S * 100):
                await asyncio.sleep_ms(10)
                try:
                    reply = asking.recv(48)
                except OSError:
                    continue  # nothing yet
                now_ms = self.mono_ms()
                wall = sntp.wall_ms(reply, now_ms - asked_ms)
                return None if wall is None else (wall, now_ms)
        except OSError:
            return None  # unknown name or no route: tried again later
        finally:
            asking.close()
        return None

    def health(self):
        """Return this board's part of the telemetry."""
        gc.collect()
        wall = {"heap_free_bytes": gc.mem_free()}
        try:
            wall["rssi_dbm"] = float(self._wifi.status("rssi"))
        except OSError:
            pass  # not associated at the moment
        return wall

    def feed(self):
        """Feed the watchdog."""
        self._watchdog.feed()

    def restart(self):
        """Restart the board."""
        machine.reset()


def run(flash):
    """Provision the device if it has no configuration or an unconfirmed one; otherwise run it."""
    gc.threshold(100_000)  # collect garbage before it fragments the memory
    config = _kept()
    slots = Slots(Journal(flash, layout.SLOTS))
    limit_s = None if config is None else PORTAL_S
    if config is None or Proof(PROOF, config, slots).begin():
        made = asyncio.run(_provision(limit_s))
        if made is not None:
            _keep(made)
        machine.reset()
    main.main(Esp32(config, flash), config)


def _kept():
    try:
        with open(CONFIG) as file:
            config = json.load(file)
    except (OSError, ValueError):
        return None
    if problems(config):
        return None
    config = filled(config)  # a newer image has settings that the file lacks
    # Created for the device but still without Wi-Fi: open the portal.
    return config if config["wifi_ssid"] and config["provisioned_at_s"] else None


def _keep(config):
    with open(CONFIG + ".new", "w") as file:
        file.write(saved(config))
    os.rename(CONFIG + ".new", CONFIG)


async def _provision(limit_s):
    """Run the captive portal: an access point of the device's own, with its key on the serial
    line."""
    key = _portal_key()
    name = "parking-" + machine.unique_id().hex()[-4:]
    point = network.WLAN(network.AP_IF)
    point.active(True)
    point.config(essid=name, password=key, authmode=3)  # WPA2
    print("To configure it, join the Wi-Fi %s with the key %s" % (name, key))
    address = bytes(int(part) for part in point.ifconfig()[0].split("."))
    names = asyncio.create_task(serve_dns(address))
    try:
        place = ("0.0.0.0", 80)  # noqa: S104 -- its own network
        return await main.provision(random.random, *place, limit_s)
    finally:
        names.cancel()
        point.active(False)


def _portal_key():
    try:
        with open(PORTAL_KEY) as file:
            return file.read()
    except OSError:
        key = os.urandom(5).hex()
        with open(PORTAL_KEY, "w") as file:
            file.write(key)
        return key
