"""`parking devices`: who may speak at the MQTT broker, and post pictures by HTTP."""

import argparse
import os
import sys
from pathlib import Path

from parking.devices import Address, Devices, Secrets, as_text, configuration
from parking.errors import Invalid
from parking.keys import KeyFile
from parking.secret_files import write_private
from parking.settings import Reader


def parser(of: argparse.ArgumentParser) -> None:
    """Fill the command's parser."""
    of.description = (
        "DEVICES_FILE names the broker's password file, one user a device; KEYS_FILE the API keys, "
        "one of them for each device that posts its pictures by HTTP."
    )
    actions = of.add_subparsers(required=True, metavar="ACTION")
    for name, run in (("add", add), ("rotate", rotate)):
        action = actions.add_parser(name, help=(run.__doc__ or "").rstrip("."))
        action.add_argument("device", metavar="SITE/DEVICE")
        action.add_argument("--http", action="store_true", help="it posts pictures: an API key too")
        action.add_argument("--url", help="the broker's address for devices (DEVICE_MQTT_URL)")
        action.add_argument("--ca", type=Path, help="its certificate authority (DEVICE_CA_FILE)")
        action.add_argument("--post-url", help="where it posts pictures (DEVICE_HTTP_URL)")
        action.add_argument("--allow-plaintext", action="store_true", help="for a closed network")
        action.add_argument("--config", type=Path, help="write the configuration to this file")
        action.add_argument("--qr", action="store_true", help="show it as a QR code too")
        action.set_defaults(run=run)
    listing = actions.add_parser("list", help=(show.__doc__ or "").rstrip("."))
    listing.add_argument("site", nargs="?", help="of this site only")
    listing.set_defaults(run=show)
    out = actions.add_parser("revoke", help=(revoke.__doc__ or "").rstrip("."))
    out.add_argument("device", metavar="SITE/DEVICE")
    out.set_defaults(run=revoke)


def add(options: argparse.Namespace) -> None:
    """Let a device in, and show what it is to be told."""
    address = _address(options)
    _tell_device(options, _devices().add(options.device, http=options.http), address)


def rotate(options: argparse.Namespace) -> None:
    """Another password for a device, and another key if it has one; what it has stops working."""
    address = _address(options)
    _tell_device(options, _devices().rotate(options.device, http=options.http), address)
    _tell_of_keys()


def show(options: argparse.Namespace) -> None:
    """Who may speak."""
    devices = _devices()
    names, posting = devices.names(options.site), devices.posting(options.site)
    for name in sorted({*names, *posting}):
        doors = [door for door, has in (("mqtt", names), ("http", posting)) if name in has]
        _say(f"{name}  {' '.join(doors)}")


def revoke(options: argparse.Namespace) -> None:
    """Shut a device out."""
    _devices().revoke(options.device)
    _say(f"{options.device} is shut out; the broker ends its connection within seconds")
    _tell_of_keys()


def _devices() -> Devices:
    env = Reader(os.environ)
    path, keys = env.text("DEVICES_FILE"), env.text("KEYS_FILE", "")
    env.done()
    return Devices(Path(path), KeyFile(Path(keys)) if keys else None)


def _tell_of_keys() -> None:
    if not os.environ.get("KEYS_FILE"):
        _say("KEYS_FILE is not set: a key for HTTP, if the device has one, still works")


def _address(options: argparse.Namespace) -> Address:
    """What the options say goes before the environment, one by one."""
    plain = "on" if options.allow_plaintext else None
    given = {"DEVICE_MQTT_URL": options.url, "DEVICE_CA_FILE": options.ca}
    given |= {"DEVICE_HTTP_URL": options.post_url, "MQTT_ALLOW_PLAINTEXT": plain}
    env = Reader(os.environ | {name: str(value) for name, value in given.items() if value})
    address = Address.read(env)
    env.done()
    if address is None:
        detail = "--url, or DEVICE_MQTT_URL, says where devices find the broker (mqtts://...)"
        raise Invalid("no-address", detail)
    return address


_CODE_WITHOUT_CA = """\
The code holds no certificate, no phone could read it: paste that of the authority (PEM) into the
portal's own box beside what the code says, or the firmware does not take it."""
_NO_CA = """\
NO CERTIFICATE AUTHORITY: our firmware does not take this configuration as it is, for it believes a
broker by one authority only, a public one too. Name its certificate (PEM) by --ca or DEVICE_CA_FILE
and rotate the device, or paste it into the portal's own box."""


def _tell_device(options: argparse.Namespace, secrets: Secrets, address: Address) -> None:
    told = configuration(options.device, secrets, address)
    if not (options.config and _written(options.config, as_text(told))):
        _say(as_text(told))
    if options.qr:
        import segno  # only this needs it

        told.pop("ca", None)  # too long for a code that a phone can read
        segno.make(as_text(told), error="l").terminal(compact=True)
        if address.tls:
            _say(_CODE_WITHOUT_CA)
    if address.tls and not address.ca:
        _say(_NO_CA)
    if secrets.api_key and not address.post_url:
        _say("Add `post_url` by hand: neither --post-url nor DEVICE_HTTP_URL says where ingest is.")
    _say("This is the only time it is shown; what is kept is its hash.")


def _written(path: Path, text: str) -> bool:
    """False, told, when it cannot be: by now the password works, so it is shown instead."""
    try:
        write_private(path, text + "\n")
    except OSError as error:
        _say(f"{path} cannot be written ({error.strerror}); this is what it should hold:")
        return False
    _say(f"{path} holds what the device is told")
    return True


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
