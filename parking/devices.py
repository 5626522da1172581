"""Which devices may speak, and what a device is told once to do so.

A device is an MQTT user named `{site}/{device}` in the broker's password file; its rights follow
from that name (deploy/mosquitto/acl), so there is nothing else to keep. Its password is shown once.
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from parking.errors import Invalid
from parking.secret_files import PasswordFile, new_password
from parking.settings import Reader

_DEVICE: Final = re.compile(r"[a-z0-9-]{1,40}/[a-z0-9-]{1,40}")
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Address:
    """Where devices find the broker; `ca`: the certificate (PEM) they believe it by, "" for none of
    its own."""

    host: str
    port: int
    tls: bool = True
    ca: str = ""

    @classmethod
    def read(cls, env: Reader) -> "Address | None":
        """From DEVICE_MQTT_URL and DEVICE_CA_FILE; None when it is not set."""
        url = env.text("DEVICE_MQTT_URL", "")
        ca_file = env.text("DEVICE_CA_FILE", "")
        plain = env.flag("MQTT_ALLOW_PLAINTEXT", False)
        try:
            return cls.of(url, Path(ca_file) if ca_file else None, plain=plain) if url else None
        except Invalid as error:
            env.problems.append(f"DEVICE_MQTT_URL: {error.detail}")
            return None

    @classmethod
    def of(cls, url: str, ca_file: Path | None = None, *, plain: bool = False) -> "Address":
        """`mqtts://host[:port]`; `mqtt://`, unencrypted, for this machine only, unless `plain`.
        Raises Invalid."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError as error:
            raise Invalid("bad-address", f"{url!r}: {error}") from error
        if not port or not parts.hostname or parts.path.strip("/") or parts.username:
            raise Invalid("bad-address", f"{url!r} is no address like mqtts://broker.example:8883")
        tls = parts.scheme == "mqtts"
        if not (tls or plain or is_loopback(parts.hostname)):
            detail = f"{url} would carry passwords in plain text: use mqtts://"
            raise Invalid("plain-text", f"{detail}, or say MQTT_ALLOW_PLAINTEXT=on")
        try:
            ca = ca_file.read_text("ascii") if ca_file else ""
        except (OSError, ValueError) as error:
            raise Invalid("bad-ca", f"{ca_file}: {error}") from error
        return cls(parts.hostname, port, tls, ca)


def is_loopback(host: str) -> bool:
    """Whether it names this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Devices:
    """The devices of a broker, by its password file. Raises Invalid: `bad-device`, `device-exists`,
    `no-device`. A running broker sees each change (mosquitto by the units in deploy/mosquitto/)."""

    def __init__(self, path: Path) -> None:
        self._file = PasswordFile(path)

    def names(self, site_id: str | None = None) -> list[str]:
        """Every device, or a site's."""
        users = self._file.users() if self._file.path.exists() else []
        devices = [user for user in users if _DEVICE.fullmatch(user)]
        return [name for name in devices if site_id in (None, name.split("/")[0])]

    def add(self, device_id: str) -> str:
        """The new device's password."""
        if not _DEVICE.fullmatch(device_id):
            detail = f"{device_id!r} is no {{site}}/{{device}} of a-z, 0-9 and -, 40 each at most"
            raise Invalid("bad-device", detail)
        if device_id in self.names():
            raise Invalid("device-exists", f"{device_id} is known already: rotate its password")
        return self._with_new_password(device_id)

    def rotate(self, device_id: str) -> str:
        """Another password for a known device; its connection ends, the old one opens nothing."""
        self._require(device_id)
        return self._with_new_password(device_id)

    def revoke(self, device_id: str) -> None:
        """Forget it: its connection ends and it cannot come back."""
        self._require(device_id)
        self._file.remove(device_id)

    def _require(self, device_id: str) -> None:
        if device_id not in self.names():
            raise Invalid("no-device", f"there is no device {device_id!r}")

    def _with_new_password(self, device_id: str) -> str:
        password = new_password()
        self._file.set(device_id, password)
        return password


def configuration(device_id: str, password: str, address: Address) -> dict[str, Any]:
    """What the firmware is told (firmware/app/config.py): all that it needs but the Wi-Fi."""
    told: dict[str, Any] = {
        "device_id": device_id,
        "password": password,
        "host": address.host,
        "port": address.port,
        "tls": address.tls,
    }
    return told | ({"ca": address.ca} if address.ca else {})


def as_text(told: Mapping[str, Any]) -> str:
    """The configuration as the file and the QR code hold it."""
    return json.dumps(told, separators=(",", ":"))
