"""`parking devices`: manage the devices that may use the MQTT broker and post pictures by HTTP."""

import argparse
import os
from pathlib import Path

from parking.access.devices import Address, Devices, Secrets, as_text, configuration
from parking.access.keys import KeyFile
from parking.access.secret_files import write_private
from parking.core.errors import Invalid
from parking.runtime.settings import Reader
from tools.cli.sites import say


def parser(of: argparse.ArgumentParser) -> None:
    """Add the actions of `parking devices`."""
    of.description = (
        "DEVICES_FILE is the broker's password file, one user per device. KEYS_FILE has the keys, "
        "one of them for each device that posts its pictures by HTTP."
    )
    actions = of.add_subparsers(required=True, metavar="ACTION")
    for name, run in (("add", add), ("rotate", rotate)):
        action = actions.add_parser(name, help=(run.__doc__ or "").rstrip("."))
        action.add_argument("device", metavar="SITE/DEVICE")
        action.add_argument(
            "--http", action="store_true", help="also create an API key to post pictures"
        )
        action.add_argument("--url", help="the broker's address for devices (DEVICE_MQTT_URL)")
        action.add_argument("--ca", type=Path, help="the broker's CA certificate (DEVICE_CA_FILE)")
        action.add_argument("--post-url", help="ingest's URL for pictures (DEVICE_HTTP_URL)")
        action.add_argument(
            "--allow-plaintext", action="store_true", help="allow plain MQTT, for a closed network"
        )
        action.add_argument("--config", type=Path, help="write the configuration to this file")
        action.add_argument("--qr", action="store_true", help="also show it as a QR code")
        action.set_defaults(run=run)
    listing = actions.add_parser("list", help=(show.__doc__ or "").rstrip("."))
    listing.add_argument("site", nargs="?", help="list only this site's devices")
    listing.set_defaults(run=show)
    out = actions.add_parser("revoke", help=(revoke.__doc__ or "").rstrip("."))
    out.add_argument("device", metavar="SITE/DEVICE")
    out.set_defaults(run=revoke)


def add(options: argparse.Namespace) -> None:
    """Add a device and show its configuration."""
    address = _address(options)
    _tell_device(options, _devices().add(options.device, http=options.http), address)


def rotate(options: argparse.Namespace) -> None:
    """Replace a device's password, and its key if it has one. The old ones stop working."""
    address = _address(options)
    _tell_device(options, _devices().rotate(options.device, http=options.http), address)
    _tell_of_keys()


def show(options: argparse.Namespace) -> None:
    """List the devices."""
    devices = _devices()
    names, posting = devices.names(options.site), devices.posting(options.site)
    for name in sorted({*names, *posting}):
        doors = [door for door, has in (("mqtt", names), ("http", posting)) if name in has]
        say(f"{name}  {' '.join(doors)}")


def revoke(options: argparse.Namespace) -> None:
    """Revoke a device."""
    _devices().revoke(options.device)
    say(f"{options.device} is revoked; the broker ends its connection within seconds")
    _tell_of_keys()


def _devices() -> Devices:
    env = Reader(os.environ)
    path, keys = env.text("DEVICES_FILE"), env.text("KEYS_FILE", "")
    env.done()
    return Devices(Path(path), KeyFile(Path(keys)) if keys else None)


def _tell_of_keys() -> None:
    if not os.environ.get("KEYS_FILE"):
        say("KEYS_FILE is not set: if the device has a key for HTTP, it still works")


def _address(options: argparse.Namespace) -> Address:
    """Read the settings. Each option overrides its environment variable."""
    plain = "on" if options.allow_plaintext else None
    given = {"DEVICE_MQTT_URL": options.url, "DEVICE_CA_FILE": options.ca}
    given |= {"DEVICE_HTTP_URL": options.post_url, "MQTT_ALLOW_PLAINTEXT": plain}
    env = Reader(os.environ | {name: str(value) for name, value in given.items() if value})
    address = Address.read(env)
    env.done()
    if address is None:
        detail = "--url or DEVICE_MQTT_URL must be the broker's address for devices (mqtts://...)"
        raise Invalid("no-address", detail)
    return address


_CODE_WITHOUT_CA = """\
The QR code has no room for a certificate. Paste the authority's certificate (PEM) into its own
box in the portal, or the firmware rejects the configuration."""
_NO_CA = """\
NO CERTIFICATE AUTHORITY: our firmware rejects this configuration, because it trusts exactly one
authority (which may be a public one). Give its certificate (PEM) with --ca or DEVICE_CA_FILE and
rotate the device, or paste it into its own box in the portal."""


def _tell_device(options: argparse.Namespace, secrets: Secrets, address: Address) -> None:
    config = configuration(options.device, secrets, address)
    if not (options.config and _written(options.config, as_text(config))):
        say(as_text(config))
    if options.qr:
        import segno  # imported here because it is only needed here

        config.pop("ca", None)  # too long for a QR code that a phone can read
        segno.make(as_text(config), error="l").terminal(compact=True)
        if address.tls:
            say(_CODE_WITHOUT_CA)
    if address.tls and not address.ca:
        say(_NO_CA)
    if secrets.api_key and not address.post_url:
        say("Add `post_url` by hand: neither --post-url nor DEVICE_HTTP_URL is set.")
    say("This is the only time it is shown; only its hash is stored.")


def _written(path: Path, text: str) -> bool:
    """Write the configuration. If that fails, print it instead and return False: the password is
    already in force."""
    try:
        write_private(path, text + "\n")
    except OSError as error:
        say(f"{path} cannot be written ({error.strerror}); write this to it:")
        return False
    say(f"{path} holds the device's configuration")
    return True
