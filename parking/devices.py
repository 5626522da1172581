"""Which devices may speak, and what a device is told once to do so.

A device is an MQTT user named `{site}/{device}` in the broker's password file; its rights follow
from that name (deploy/mosquitto/acl), so there is nothing else to keep. Its password is shown once.
Where it posts pictures by HTTP too, it has an API key of the same name (keys.py).
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from parking.errors import Invalid
from parking.keys import KeyFile
from parking.secret_files import PasswordFile, locked, new_password
from parking.settings import Reader
from parking.topics import HTTP_FRAMES

_DEVICE: Final = re.compile(r"[a-z0-9-]{1,40}/[a-z0-9-]{1,40}")
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where devices find the broker; `ca`: the certificate (PEM) they believe it by, "" for none of
    its own; `post_url`: where those with a key post their pictures, "" when that is not set."""

    host: str
    port: int
    tls: bool = True
    ca: str = ""
    post_url: str = ""

    @classmethod
    def read(cls, env: Reader) -> "Address | None":
        """From DEVICE_MQTT_URL, DEVICE_CA_FILE and DEVICE_HTTP_URL; None without the first."""
        url = env.text("DEVICE_MQTT_URL", "")
        ca_file = env.text("DEVICE_CA_FILE", "")
        plain = env.flag("MQTT_ALLOW_PLAINTEXT", False)
        post = env.text("DEVICE_HTTP_URL", "")
        if not url:
            return None
        try:
            return cls.of(url, Path(ca_file) if ca_file else None, plain=plain, post=post)
        except Invalid as error:
            env.problems.append(f"DEVICE_MQTT_URL or DEVICE_HTTP_URL: {error.detail}")
            return None

    @classmethod
    def of(
        cls, url: str, ca_file: Path | None = None, *, plain: bool = False, post: str = ""
    ) -> "Address":
        """`mqtts://host[:port]` and, in `post`, ingest as `https://host[:port]`; `mqtt://` and
        `http://`, unencrypted, for this machine only, unless `plain`. Raises Invalid."""
        host, port, tls = _taken_apart(url, "mqtts", "broker.example:8883", plain)
        if post:
            _taken_apart(post, "https", "ingest.example", plain)
        try:
            ca = ca_file.read_text("ascii") if ca_file else ""
        except (OSError, ValueError) as error:
            raise Invalid("bad-ca", f"{ca_file}: {error}") from error
        if ca_file and "-----BEGIN CERTIFICATE-----" not in ca:
            raise Invalid("bad-ca", f"{ca_file} holds no certificate in PEM")
        return cls(host, port, tls, ca, f"{post.rstrip('/')}{HTTP_FRAMES}/" if post else "")


def _taken_apart(url: str, safe: str, example: str, plain: bool) -> tuple[str, int, bool]:
    """Host, port and whether it is encrypted. `safe`: the encrypted scheme; without its s, not."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise Invalid("bad-address", f"{url!r}: {error}") from error
    known = parts.scheme in (safe, safe[:-1])
    if not known or not port or not parts.hostname or parts.path.strip("/") or parts.username:
        raise Invalid("bad-address", f"{url!r} is no address like {safe}://{example}")
    tls = parts.scheme == safe
    if not (tls or plain or is_loopback(parts.hostname)):
        detail = f"{url} would carry secrets in plain text: use {safe}://"
        raise Invalid("plain-text", f"{detail}, or say MQTT_ALLOW_PLAINTEXT=on")
    return parts.hostname, port, tls


def is_loopback(host: str) -> bool:
    """Whether it names this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What opens the doors to a device, seen this once: its password at the broker and, where it
    posts by HTTP, its API key."""

    password: str
    api_key: str = ""


class Devices:
    """The devices of a broker, by its password file, and their API keys, where `keys` are given.
    Raises Invalid: `bad-device`, `device-exists`, `no-device`, `no-keys-file`. A running broker
    sees each change (mosquitto by the units in deploy/mosquitto/), and so does ingest."""

    def __init__(self, path: Path, keys: KeyFile | None = None) -> None:
        self._file = PasswordFile(path)
        self._keys = keys

    def names(self, site_id: str | None = None) -> list[str]:
        """Every device, or a site's."""
        users = self._file.users() if self._file.path.exists() else []
        devices = [user for user in users if _DEVICE.fullmatch(user)]
        return [name for name in devices if site_id in (None, name.split("/")[0])]

    def posting(self, site_id: str | None = None) -> list[str]:
        """Every device that has an API key, or a site's."""
        cameras = self._keys.cameras() if self._keys else []
        return [name for name in cameras if site_id in (None, name.split("/")[0])]

    def add(self, device_id: str, *, http: bool = False) -> Secrets:
        """What opens the broker to a new device; `http`: and ingest's HTTP intake."""
        if not _DEVICE.fullmatch(device_id):
            detail = f"{device_id!r} is no {{site}}/{{device}} of a-z, 0-9 and -, 40 each at most"
            raise Invalid("bad-device", detail)
        with self._alone():
            if device_id in self.names():
                raise Invalid("device-exists", f"{device_id} is known already: rotate its password")
            if http and device_id in self.posting():
                detail = f"{device_id} has an API key already: leave --http out, or revoke it first"
                raise Invalid("device-exists", detail)
            return self._renewed(device_id, http)

    def rotate(self, device_id: str, *, http: bool = False) -> Secrets:
        """Another password for a known device, and another key if it has one, or, by `http`, is to
        have one. Its connection ends, and what it had opens nothing."""
        with self._alone():
            self._require(device_id)
            return self._renewed(device_id, http or device_id in self.posting())

    def revoke(self, device_id: str) -> None:
        """Forget it, by every door: its connection ends and it cannot come back."""
        with self._alone():
            if self._keys is not None and device_id in self.posting():
                self._keys.remove(device_id)
            else:
                self._require(device_id)
            if device_id in self.names():
                self._file.remove(device_id)

    def _alone(self) -> AbstractContextManager[None]:
        """What is looked up stays so until it is written: of two who add a device, one is told."""
        return locked(self._file.path.parent)

    def _require(self, device_id: str) -> None:
        if device_id not in self.names():
            raise Invalid("no-device", f"there is no device {device_id!r}")

    def _renewed(self, device_id: str, http: bool) -> Secrets:
        api_key = ""
        if http:
            if self._keys is None:
                detail = "KEYS_FILE is not set: a device that posts by HTTP needs a key in it"
                raise Invalid("no-keys-file", detail)
            api_key = self._keys.renew(device_id)
        password = new_password()
        self._file.set(device_id, password)
        return Secrets(password, api_key)


def configuration(device_id: str, secrets: Secrets, address: Address) -> dict[str, Any]:
    """What the firmware is told (firmware/app/config.py): all that it needs but the Wi-Fi,
    and the board where it is not the default one."""
    told: dict[str, Any] = {
        "device_id": device_id,
        "password": secrets.password,
        "host": address.host,
        "port": address.port,
        "tls": address.tls,
    }
    if secrets.api_key:
        told |= {"api_key": secrets.api_key} | (
            {"post_url": address.post_url} if address.post_url else {}
        )
    return told | ({"ca": address.ca} if address.ca else {})


def as_text(told: Mapping[str, Any]) -> str:
    """The configuration as the file and the QR code hold it."""
    return json.dumps(told, separators=(",", ":"))
