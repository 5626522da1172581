"""Which devices may connect, and the configuration that each gets once.

A device is an MQTT user named `{site}/{device}` in the broker's password file. Its rights follow
from that name (deploy/mosquitto/acl), so nothing else is stored. Its password is shown once. If it
also posts pictures by HTTP, it has an API key of the same name (keys.py).
"""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from parking.access.keys import KeyFile
from parking.access.secret_files import PasswordFile, locked, new_password
from parking.core.errors import Invalid
from parking.core.topics import HTTP_FRAMES
from parking.runtime.hosts import is_loopback
from parking.runtime.settings import Reader

_DEVICE: Final = re.compile(r"[a-z0-9-]{1,40}/[a-z0-9-]{1,40}")
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """The broker's address for devices. `ca` is the certificate (PEM) with which they verify it, or
    "" if it has none of its own. `post_url` is where devices with a key post their pictures, or ""
    if not set."""

    host: str
    port: int
    tls: bool = True
    ca: str = ""
    post_url: str = ""

    @classmethod
    def read(cls, env: Reader) -> "Address | None":
        """Read DEVICE_MQTT_URL, DEVICE_CA_FILE and DEVICE_HTTP_URL. Returns None without the
        first."""
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
        """Parse `mqtts://host[:port]` and, in `post`, ingest's `https://host[:port]`. The
        unencrypted `mqtt://` and `http://` are allowed only for this machine, unless `plain`.
        Raises Invalid."""
        host, port, tls = _taken_apart(url, "mqtts", "broker.example:8883", plain)
        if post:
            _taken_apart(post, "https", "ingest.example", plain)
        try:
            ca = ca_file.read_text("ascii") if ca_file else ""
        except (OSError, ValueError) as error:
            raise Invalid("bad-ca", f"{ca_file}: {error}") from error
        if ca_file and "-----BEGIN CERTIFICATE-----" not in ca:
            raise Invalid("bad-ca", f"{ca_file} contains no certificate in PEM")
        return cls(host, port, tls, ca, f"{post.rstrip('/')}{HTTP_FRAMES}/" if post else "")


def _taken_apart(url: str, safe: str, example: str, plain: bool) -> tuple[str, int, bool]:
    """Host, port and whether it is encrypted. `safe` is the encrypted scheme, and the unencrypted
    one is the same without the s."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise Invalid("bad-address", f"{url!r}: {error}") from error
    known = parts.scheme in (safe, safe[:-1])
    if not known or not port or not parts.hostname or parts.path.strip("/") or parts.username:
        raise Invalid("bad-address", f"{url!r} is not an address like {safe}://{example}")
    tls = parts.scheme == safe
    if not (tls or plain or is_loopback(parts.hostname)):
        detail = f"{url} would carry secrets in plain text: use {safe}://"
        raise Invalid("plain-text", f"{detail}, or set MQTT_ALLOW_PLAINTEXT=on")
    return parts.hostname, port, tls


@dataclass(frozen=True, slots=True)
class Secrets:
    """A device's credentials, shown only once: its password for the broker and, if it posts by
    HTTP, its API key."""

    password: str
    api_key: str = ""


class Devices:
    """The devices of a broker, from its password file, and their API keys, if `keys` are given.
    Raises Invalid: `bad-device`, `device-exists`, `no-device`, `no-keys-file`. A running broker
    applies each change (mosquitto by the units in deploy/mosquitto/), and so does ingest."""

    def __init__(self, path: Path, keys: KeyFile | None = None) -> None:
        self._file = PasswordFile(path)
        self._keys = keys

    def names(self, site_id: str | None = None) -> list[str]:
        """All devices, or those of a site."""
        users = self._file.users() if self._file.path.exists() else []
        devices = [user for user in users if _DEVICE.fullmatch(user)]
        return [name for name in devices if site_id in (None, name.split("/")[0])]

    def posting(self, site_id: str | None = None) -> list[str]:
        """All devices that have an API key, or those of a site."""
        cameras = self._keys.cameras() if self._keys else []
        return [name for name in cameras if site_id in (None, name.split("/")[0])]

    def add(self, device_id: str, *, http: bool = False) -> Secrets:
        """Add a device for the broker and, if `http`, for ingest's HTTP intake."""
        if not _DEVICE.fullmatch(device_id):
            detail = f"{device_id!r} is not {{site}}/{{device}} of a-z, 0-9 and -, 40 each at most"
            raise Invalid("bad-device", detail)
        with self._alone():
            if device_id in self.names():
                raise Invalid("device-exists", f"{device_id} already exists: rotate its password")
            if http and device_id in self.posting():
                detail = f"{device_id} already has an API key: omit --http, or revoke it first"
                raise Invalid("device-exists", detail)
            return self._renewed(device_id, http)

    def rotate(self, device_id: str, *, http: bool = False) -> Secrets:
        """Replace a known device's password, and its key if it has one. If `http`, it gets a key in
        any case. Its connection ends, and its old credentials stop working."""
        with self._alone():
            self._require(device_id)
            return self._renewed(device_id, http or device_id in self.posting())

    def revoke(self, device_id: str) -> None:
        """Revoke a device for MQTT and HTTP. Its connection ends and it cannot reconnect."""
        with self._alone():
            if self._keys is not None and device_id in self.posting():
                self._keys.remove(device_id)
            else:
                self._require(device_id)
            if device_id in self.names():
                self._file.remove(device_id)

    def _alone(self) -> AbstractContextManager[None]:
        """Lock from the check to the write, so that if two add the same device, one gets the
        conflict."""
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
    """The firmware's configuration (firmware/app/config.py): everything except the Wi-Fi and a
    board other than the default one."""
    config: dict[str, Any] = {
        "device_id": device_id,
        "password": secrets.password,
        "host": address.host,
        "port": address.port,
        "tls": address.tls,
    }
    if secrets.api_key:
        config |= {"api_key": secrets.api_key} | (
            {"post_url": address.post_url} if address.post_url else {}
        )
    return config | ({"ca": address.ca} if address.ca else {})


def as_text(config: Mapping[str, Any]) -> str:
    """The configuration as in the file and the QR code."""
    return json.dumps(config, separators=(",", ":"))
