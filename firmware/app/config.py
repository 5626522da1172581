"""A device's configuration: a JSON object, checked before use.

`FIELDS` lists what provisioning asks for: (name, question, secret). The file holds the broker
password and the Wi-Fi key in clear text, so anybody with the board can read them from its flash.
"""

from app.commands import FRAME_SIZES, is_interval
from app.names import is_device, is_name
from app.pem import is_pem

FIELDS = (
    ("wifi_ssid", "Wi-Fi name", False),
    ("wifi_password", "Wi-Fi password", True),
    ("device_id", "Device, as site/device", False),
    ("host", "Broker host name", False),
    ("port", "Broker port", False),
    ("password", "Device password", True),
    ("tls", "TLS, yes or no (yes needs the certificate)", False),
    ("ca", "Certificate of the authority (PEM), if the file has none", False),
    ("board", "Board", False),
)
DEFAULTS = {
    "wifi_ssid": "",
    "wifi_password": "",
    "port": 8883,
    "password": "",
    "tls": True,  # False only for a trusted broker on the same network
    "ca": "",  # PEM of the authority that signed the broker's certificate
    "cert": "",  # PEM: an X.509 certificate, instead of the password, or in addition to it
    "key": "",
    "board": "ai_thinker",
    "interval_ms": 10_000,
    "frame_size": "SVGA",
    "frame_qos": 0,
    "motion": False,
    "gate": "",  # "", "two" (direction from two inputs), "entry" or "exit" (one input)
    "gate_name": "main",
    "gate_stable_ms": 50,
    "gate_gap_ms": 0,
    "ultrasonic": False,
    "reconnect_s": 40,
    "keepalive_s": 30,
    "trial_s": 600,  # time in which a new image or configuration needs an end-to-end ack (proof.py)
    "ntp_host": "pool.ntp.org",
    "stream_port": 0,  # 0 means no MJPEG stream
    "stream_token": "",
    "post_url": "",  # pictures by HTTP POST instead of MQTT
    "api_key": "",
    "update_key": "",  # RSA public key (modulus in hex) that updates must be signed with
    "provisioned_at_s": 0,
    "provisioned_chance": 0.0,
}
_NEEDED = ("device_id", "host")


def problems(given):
    """Return the problems in plain words; empty if the configuration is valid."""
    found = [name + " is missing" for name in _NEEDED if not given.get(name)]
    for name, value in given.items():
        known = DEFAULTS.get(name, "")
        if name not in DEFAULTS and name not in _NEEDED:
            found.append("unknown setting: " + str(name)[:40])
        elif _kind(value) != _kind(known):
            found.append(name + " has the wrong type")
    if found:
        return found
    config = filled(given)
    checks = (
        (is_device(config["device_id"]), "device_id is not site/device in [a-z0-9-]"),
        (0 < config["port"] < 65536, "port is out of range"),
        (is_interval(config["interval_ms"]), "interval_ms is out of range"),
        (config["frame_size"] in FRAME_SIZES, "frame_size is unknown"),
        (5 <= config["trial_s"] <= 3600, "trial_s is out of range"),
        (config["frame_qos"] in (0, 1), "frame_qos is 0 or 1"),
        (config["gate"] in ("", "two", "entry", "exit"), "gate is two, entry, exit or nothing"),
        (is_name(config["gate_name"]), "gate_name is 1 to 24 of a-z A-Z 0-9 . _ -"),
        (not config["stream_port"] or len(config["stream_token"]) >= 16, "stream_token is short"),
        (bool(config["tls"]) <= bool(config["ca"]), "tls needs ca, the authority's certificate"),
        (not config["ca"] or is_pem(config["ca"]), "ca is no whole certificate in PEM"),
        (not config["cert"] or is_pem(config["cert"]), "cert is no whole certificate in PEM"),
        (not config["key"] or is_pem(config["key"], "PRIVATE KEY"), "key is no whole key in PEM"),
        (bool(config["cert"]) == bool(config["key"]), "cert and key go together"),
        (bool(config["password"] or config["cert"]), "password (or cert and key) is missing"),
    )
    return [words for good, words in checks if not good]


def _kind(value):
    for kind in (bool, str):  # in MicroPython, bool is not a subclass of int
        if isinstance(value, kind):
            return kind
    return float if isinstance(value, (int, float)) else None


def filled(given):
    """Return the configuration with defaults for all missing settings."""
    config = dict(DEFAULTS)
    config.update(given)
    return config
