"""The MQTT topics of one device: `parking/v1/{site}/{device}/...` (parking/core/topics.py)."""

ROOT = "parking/v1"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"
_MORE = _LETTERS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ._"


def is_device(device_id):
    """Return whether it is {site}/{device}, each part [a-z0-9-]{1,40}."""
    parts = device_id.split("/")
    return len(parts) == 2 and all(
        0 < len(part) <= 40 and all(c in _LETTERS for c in part) for part in parts
    )


def is_name(gate):
    """Return whether ingest accepts it as a gate's name and it fits into the ring."""
    return 0 < len(gate) <= 24 and all(c in _MORE for c in gate)


def topic(device_id, *suffix):
    """Build a topic: topic("demo/north", "gate", 7, 1) for example."""
    return "/".join([ROOT, device_id] + [str(part) for part in suffix])
