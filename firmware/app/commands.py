"""The commands on a device's `command` topic: a JSON object with one or more of

{"interval_ms": 5000}      one picture every 5 s; 0 means only on command or motion
{"frame_size": "SVGA"}     one of FRAME_SIZES
{"motion": true}           also send a picture when its size indicates motion
{"capture": true}          one picture now
{"restart": true}
{"update": "https://host/firmware/2/"}   the folder of a signed manifest.json (manifest.py)
"""

import json

FRAME_SIZES = ("QVGA", "CIF", "HVGA", "VGA", "SVGA", "XGA", "HD", "SXGA", "UXGA")
_MIN_INTERVAL_MS = 100
_MAX_INTERVAL_MS = 86_400_000


def parse(payload):
    """Parse a command into a dict. Raises ValueError with a plain message; then nothing is
    applied."""
    command = json.loads(payload)
    if not isinstance(command, dict) or not command:
        raise ValueError("a command is a JSON object")
    for name, value in command.items():
        check = _CHECKS.get(name)
        if check is None:
            raise ValueError("unknown command: " + str(name)[:40])
        if not check(value):
            raise ValueError("wrong value for " + name)
    return command


def is_interval(value):
    """Return whether the interval is valid (in ms; 0 means no timed pictures)."""
    return _is_int(value) and (value == 0 or _MIN_INTERVAL_MS <= value <= _MAX_INTERVAL_MS)


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_bool(value):
    return isinstance(value, bool)


def _is_base(value):
    return isinstance(value, str) and value.startswith(("https://", "http://")) and value[-1] == "/"


_CHECKS = {
    "interval_ms": is_interval,
    "frame_size": lambda value: value in FRAME_SIZES,
    "motion": _is_bool,
    "capture": _is_bool,
    "restart": _is_bool,
    "update": _is_base,
}
